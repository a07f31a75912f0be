"""What a decision and a tracked id cost, at 100 to 100,000 ids."""

import gc
import tracemalloc
from collections.abc import Iterator
from random import Random
from time import process_time

import attrs

from ideal_async._forecast import Forecast, Pacing, Track
from ideal_async._schedule import Agenda

FINISHED = 40  # tasks that have taught the client before


def fill(count: int) -> tuple[Forecast, Agenda, list[Track]]:
    """Track *count* tasks of 75 s, each looked at twice."""
    forecast, agenda = Forecast(Pacing()), Agenda()
    random = Random(1)
    for _ in range(FINISHED):
        forecast.finish(twice(forecast), now=70.0 + 10.0 * random.random(), success=True)
    one = twice(forecast)
    # Tasks like that one, sharing no number with it: what a hundred thousand look like in memory, without waiting for
    # two hundred thousand decisions under tracemalloc.
    tracks = [
        attrs.evolve(
            one,
            seen_at=one.seen_at + 1e-9 * index,
            after=one.after + 1e-9 * index,
            before=one.before + 1e-9 * index,
            since=one.since + 1e-9 * index,
            first=(20.0 + 1e-9 * index, 26),
            runs=tuple(
                (percentage, at + 1e-9 * index, at + 1e-9 * index) for percentage, at in ((26, 20.0), (53, 40.0))
            ),
            consistency=(one.consistency or 0.0) - 1e-9 * index,
            evidence=tuple(earned + 1e-9 * index for earned in one.evidence),  # type: ignore[arg-type]  # still five
        )
        for index in range(count)
    ]
    for index in range(count):
        agenda.put(index, 40.0 + 10.0 * random.random())
    return forecast, agenda, tracks


def twice(forecast: Forecast) -> Track:
    """Look at a new task twice."""
    track = forecast.track("a", now=0.0, submitted_at=0.0)
    forecast.first(track, now=0.0, roll=0.5)
    for now in (20.0, 40.0):
        see(forecast, track, int(now / 0.75), now)
    return track


def see(forecast: Forecast, track: Track, percentage: int, now: float) -> float:
    """Look."""
    return forecast.after(track, percentage=percentage, wait_number=0, processing=True, now=now, roll=0.5)


def measure(count: int) -> tuple[float, float, float]:
    """Return CPU seconds per decision, of which in the agenda, and bytes per tracked id."""
    gc.collect()
    tracemalloc.start()
    forecast, agenda, tracks = fill(count)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    whole = in_agenda = 0.0
    decisions = min(4 * count, 4000)  # few enough that tasks do not grow old under our hands
    for _ in range(decisions):
        start = process_time()
        due = agenda.next_due() or 0.0
        index, _ = agenda.pop(due) or (0, due)
        popped = process_time()
        delay = see(forecast, tracks[index], min(int(due / 0.75), 99), due)
        decided = process_time()
        agenda.put(index, due + delay)
        end = process_time()
        whole += end - start
        in_agenda += end - decided + popped - start
    return whole / decisions, in_agenda / decisions, size


def report(counts: tuple[int, ...] = (100, 1_000, 10_000, 100_000)) -> Iterator[str]:
    """Say what was measured, line by line."""
    yield f"{'ids':>8} {'CPU a decision':>15} {'of it the agenda':>17} {'memory an id':>13}"
    for count in counts:
        whole, in_agenda, size = measure(count)
        yield f"{count:8,} {whole * 1e6:12.0f} us {in_agenda * 1e6:14.1f} us {size:11.0f} B"
