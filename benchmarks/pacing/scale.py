"""What a decision and a tracked id cost, at 100 to 100,000 ids."""

import gc
import tracemalloc
from collections.abc import Iterator
from random import Random
from time import process_time

from ideal_async._agenda import Agenda
from ideal_async._pacing import Forecast, Pacing, Track


def fill(count: int) -> tuple[Forecast, Agenda, list[Track]]:
    """Track *count* jobs of 75 s, each looked at twice, in a client that has seen forty finish."""
    forecast, agenda, random = Forecast(Pacing()), Agenda(), Random(1)
    tracks = []
    for index in range(count + 40):
        track = forecast.track("a", now=0.0, submitted_at=0.0)
        forecast.first(track, now=0.0, roll=random.random())
        for now in (20.0, 40.0):
            see(forecast, track, int(now / 0.75), now)
        if index < 40:  # noqa: PLR2004
            forecast.finish(track, now=70.0 + 10.0 * random.random(), success=True)
        else:
            tracks.append(track)
            agenda.put(index - 40, 40.0 + 10.0 * random.random())
    return forecast, agenda, tracks


def see(forecast: Forecast, track: Track, percentage: int, now: float) -> float:
    """Look."""
    return forecast.after(track, percentage=percentage, wait_number=0, processing=True, now=now, roll=0.5)


def measure(count: int, decisions: int = 4000) -> tuple[float, float, float]:
    """Return CPU seconds per decision, of which in the agenda, and bytes per tracked id."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = fill(count)
    gc.collect()
    size = (tracemalloc.get_traced_memory()[0] - before) / count
    tracemalloc.stop()
    forecast, agenda, tracks = kept
    whole = in_agenda = 0.0
    for _ in range(decisions):
        start = process_time()
        due = agenda.next_due() or 0.0
        index = agenda.pop(due) or 0
        popped = process_time()
        delay = see(forecast, tracks[index], min(int(due / 0.75), 99), due)
        decided = process_time()
        agenda.put(index, due + delay)
        end = process_time()
        whole += end - start
        in_agenda += end - decided + popped - start
    return whole / decisions, in_agenda / decisions, size


def report() -> Iterator[str]:
    """Say what was measured, line by line."""
    yield f"{'ids':>8} {'CPU a decision':>15} {'of it the agenda':>17} {'memory an id':>13}"
    for count in (100, 1_000, 10_000, 100_000):
        whole, in_agenda, size = measure(count)
        yield f"{count:8,} {whole * 1e6:12.0f} us {in_agenda * 1e6:14.1f} us {size:11.0f} B"
