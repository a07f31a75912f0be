"""What a clip costs, and whether an event loop beside it stays awake: python -m benchmarks.render.

CPU seconds are of all threads together, the least of three runs: what else a machine does only adds to them.

The lag is that of a loop beside the sandbox's own threads, in rounds that take turns with a loop alone. Nearly all of
it is waiting for a core. Render threads of a lower priority made it worse: a busy machine then puts one aside while it
holds the interpreter's lock.
"""

import asyncio
import pathlib
import resource
import statistics
import tempfile
import threading
import time

import attrs

from ideal_async.sandbox._orders import Order
from ideal_async.sandbox._render import Scene, render
from ideal_async.sandbox._rooms import photograph
from ideal_async.sandbox._studio import Studio

ROOM, NIGHT, ELSEWHERE = (photograph(name) for name in ("living-day", "living-night", "kitchen-day"))
BASE = Scene(ROOM, None, "Gentle camera zoom in", 5, "480p", "Base", audio=False)
#: Scenes, and the CPU seconds that were promised for them.
SCENES: tuple[tuple[str, Scene, float | None], ...] = (
    ("480p  5 s Flash zoom", attrs.evolve(BASE, model_type="Flash"), 1.0),
    ("480p  5 s Base  zoom", BASE, 1.0),
    ("480p  5 s Base  zoom out", attrs.evolve(BASE, prompt="zoom out"), 1.0),
    ("480p  5 s Base  pan", attrs.evolve(BASE, prompt="pan left"), 1.0),
    ("480p  5 s Base  static, steam", attrs.evolve(BASE, prompt="Static shot, steam rises"), 1.0),
    ("480p  5 s Base  orbit", attrs.evolve(BASE, prompt="orbit right"), 1.0),
    ("480p  5 s Base  roll", attrs.evolve(BASE, prompt="roll"), 1.0),
    ("480p  5 s Base  dolly in", attrs.evolve(BASE, prompt="dolly in"), 1.0),
    ("480p  5 s Base  with audio", attrs.evolve(BASE, audio=True), 1.3),
    ("480p  5 s Base  day to night", attrs.evolve(BASE, last_image=NIGHT), 1.8),
    ("480p  5 s Base  another room", attrs.evolve(BASE, last_image=ELSEWHERE), 1.8),
    ("480p 10 s Base  zoom", attrs.evolve(BASE, duration=10), None),
    ("720p  5 s Flash zoom", attrs.evolve(BASE, model_type="Flash", resolution="720p"), None),
    ("720p  5 s Base  zoom", attrs.evolve(BASE, resolution="720p"), None),
    ("720p  5 s Base  day to night", attrs.evolve(BASE, resolution="720p", last_image=NIGHT), None),
    ("1080p 5 s Base  zoom", attrs.evolve(BASE, resolution="1080p"), None),
)
#: Milliseconds that an event loop beside two render threads may be late, 99 times of 100.
PROMISED_LAG = 20


def measure(scene: Scene) -> tuple[float, int]:
    """The least CPU seconds of three runs, and the bytes of the video."""
    least, size = float("inf"), 0
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.process_time()
            clip = render(scene, pathlib.Path(folder))
            least = min(least, time.process_time() - begun)
            size = clip.video.stat().st_size
    return least, size


def queued() -> float:
    """Seconds this thread has waited for a core so far, where Linux counts them; otherwise 0."""
    try:
        counts = pathlib.Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    except OSError:
        return 0
    return int(counts.split()[1]) / 1e9


@attrs.frozen
class Lag:
    """How late a loop woke from naps, and how much of it was waiting for a core, in ms; *took* in seconds."""

    late: list[float]
    queued: list[float]
    took: float


async def lag(clips: int, threads: int) -> Lag:
    """Nap beside the sandbox's own studio; without clips for two seconds, for what the machine itself adds."""
    loop, studio = asyncio.get_running_loop(), Studio(threads or 1)
    late: list[float] = []
    waits: list[float] = []
    begun = loop.time()
    for n in range(clips):
        order = Order("room", 5, "480p", "Base", generate_audio=n % 2 == 0, prompt=f"zoom in {n}")
        studio.ask(n, order, lambda _: ROOM)
    while studio.delivered.qsize() < clips or (not clips and loop.time() < begun + 2):
        due, before = loop.time() + 0.005, queued()
        await asyncio.sleep(0.005)
        late.append((loop.time() - due) * 1000)
        waits.append((queued() - before) * 1000)
    took = loop.time() - begun
    while clips and not studio.delivered.empty():
        problem = studio.delivered.get().problem
        if problem:
            raise RuntimeError(problem)
    studio.close()
    return Lag(late, waits, took)


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return statistics.quantiles(values, n=100)[98]


def main() -> None:
    """Measure and print."""
    print(f"{'scene':32} {'CPU s':>6} {'KB':>6} {'promised':>8}")
    for name, scene, promised in SCENES:
        least, size = measure(scene)
        verdict = "" if promised is None else f"{promised:8.1f} {'ok' if least <= promised else 'OVER'}"
        print(f"{name:32} {least:6.2f} {size // 1024:>6} {verdict}")
    print(f"{'loop lag':32} {'median':>6} {'p99':>6} {'max':>6} ms, of the p99 waiting for a core")
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for _ in range(5):
        for threads, rounds in found.items():
            result = asyncio.run(lag(4 * threads, threads))
            rounds.append(p99(result.late))
            name = f"beside {threads} render threads" if threads else "alone"
            print(
                f"{name:32} {statistics.median(result.late):6.1f} {rounds[-1]:6.1f} {max(result.late):6.1f} "
                f"{p99(result.queued):6.1f} {4 * threads:>4} clips in {result.took:.1f} s"
            )
    alone, *_, beside = (statistics.median(rounds) for rounds in found.values())
    verdict = "ok" if beside < PROMISED_LAG else "OVER"
    print(f"p99 of the median round: {beside:.1f} ms, alone {alone:.1f} ms, promised {PROMISED_LAG} {verdict}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
