"""What a clip costs, and whether an event loop beside it stays awake: python -m benchmarks.render.

CPU seconds are of all threads together, the least of three runs: what else a machine does only adds to them.
"""

import asyncio
import pathlib
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import attrs

from ideal_async.sandbox._render import Scene, render
from ideal_async.sandbox._rooms import photograph

ROOM, NIGHT, ELSEWHERE = (photograph(name) for name in ("living-day", "living-night", "kitchen-day"))
BASE = Scene(ROOM, None, "Gentle camera zoom in", 5, "480p", "Base", audio=False)
#: Scenes, and the CPU seconds that were promised for them.
SCENES: tuple[tuple[str, Scene, float | None], ...] = (
    ("480p  5 s Flash zoom", attrs.evolve(BASE, model_type="Flash"), 1.0),
    ("480p  5 s Base  zoom", BASE, 1.0),
    ("480p  5 s Base  zoom out", attrs.evolve(BASE, prompt="zoom out"), 1.0),
    ("480p  5 s Base  pan", attrs.evolve(BASE, prompt="pan left"), 1.0),
    ("480p  5 s Base  orbit", attrs.evolve(BASE, prompt="orbit right"), 1.0),
    ("480p  5 s Base  roll", attrs.evolve(BASE, prompt="roll"), 1.0),
    ("480p  5 s Base  with audio", attrs.evolve(BASE, audio=True), 1.3),
    ("480p  5 s Base  day to night", attrs.evolve(BASE, last_image=NIGHT), 1.8),
    ("480p  5 s Base  another room", attrs.evolve(BASE, last_image=ELSEWHERE), 1.8),
    ("480p 10 s Base  zoom", attrs.evolve(BASE, duration=10), None),
    ("720p  5 s Flash zoom", attrs.evolve(BASE, model_type="Flash", resolution="720p"), None),
    ("720p  5 s Base  zoom", attrs.evolve(BASE, resolution="720p"), None),
    ("720p  5 s Base  day to night", attrs.evolve(BASE, resolution="720p", last_image=NIGHT), None),
    ("1080p 5 s Base  zoom", attrs.evolve(BASE, resolution="1080p"), None),
)


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


async def lag(clips: int, threads: int) -> tuple[list[float], float]:
    """How late a loop wakes from naps of 5 ms, in milliseconds, beside rendering threads; and the seconds it took.

    Without clips it naps for two seconds: that is what the machine itself adds.
    """
    late: list[float] = []
    loop = asyncio.get_running_loop()

    async def nap() -> None:
        while True:
            due = loop.time() + 0.005
            await asyncio.sleep(0.005)
            late.append((loop.time() - due) * 1000)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max(1, threads)) as pool:
        napping = asyncio.create_task(nap())
        begun = loop.time()
        scenes = (attrs.evolve(BASE, prompt=f"zoom in {n}", audio=n % 2 == 0) for n in range(clips))
        await asyncio.gather(*(loop.run_in_executor(pool, render, scene, pathlib.Path(folder)) for scene in scenes))
        await asyncio.sleep(0 if clips else 2)
        took = loop.time() - begun
        napping.cancel()
    return late, took


def main() -> None:
    """Measure and print."""
    print(f"{'scene':32} {'CPU s':>6} {'KB':>6} {'promised':>8}")
    for name, scene, promised in SCENES:
        least, size = measure(scene)
        verdict = "" if promised is None else f"{promised:8.1f} {'ok' if least <= promised else 'OVER'}"
        print(f"{name:32} {least:6.2f} {size // 1024:>6} {verdict}")
    for threads, clips in ((0, 0), (1, 4), (2, 8)):
        late, took = asyncio.run(lag(clips, threads))
        cuts = statistics.quantiles(late, n=100)
        print(
            f"loop lag beside {threads} render threads ({clips} clips in {took:.1f} s): "
            f"median {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, max {max(late):.1f} ms"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
