"""From 100 to 100,000 jobs awaited at once: what one costs, how much memory it holds, how long a callback takes.

No HTTP here: looks are answered at once, so that all that is seen is our own work, on a clock that skips waiting.
"""

import asyncio
import gc
import itertools
import json
import random
import selectors
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

from ideal_async import AsyncClient, ImageToVideo, Task
from ideal_async._answers import Answer, read_look
from ideal_async._retry import Failure

#: Jobs at once, and how often: the small ones are over in a moment, and vary.
SIZES = {100: 25, 1_000: 5, 10_000: 1, 100_000: 1}
#: Seconds that a job runs: a uniform distribution around it.
DURATION, SPREAD = 75.0, 0.2
#: Seconds in which the jobs are submitted, however many they are.
ARRIVALS = 20.0
#: Waiting jobs whose memory is weighed.
WEIGHED = 10_000

INPUT = {
    "imageUrl": "https://example.com/room.jpg",
    "duration": 5,
    "resolution": "720p",
    "modelType": "Flash",
    "prompt": "Gentle camera zoom in with soft lighting",
}
REQUEST = ImageToVideo(
    "https://example.com/room.jpg", duration=5, resolution="720p", prompt="Gentle camera zoom in with soft lighting"
)
OUTPUT = {
    "resultUrl": "https://cdn.ideal.house/output/video_result.mp4",
    "cover": "https://cdn.ideal.house/output/video_cover.jpg",
    "width": 1280,
    "height": 720,
}


class Skipping(selectors.DefaultSelector):
    """Jumps to the next timer at once: nothing here waits for anything else."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready."""
        ready = super().select(0 if timeout is not None else None)
        if not ready and timeout:
            self.now += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    """An event loop on that clock."""

    def __init__(self) -> None:
        self._clock = Skipping()
        super().__init__(self._clock)

    def time(self) -> float:
        """Seconds skipped."""
        return self._clock.now


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run on that loop."""

    async def coroutine() -> Any:
        return await main()

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(coroutine())


def client_of(service: "Service", at_once: int) -> AsyncClient:
    """Return a client whose looks are answered by *service* without HTTP."""
    client = AsyncClient("key", base_url="http://127.0.0.1:9", max_requests_at_once=at_once)
    client._poller._fetch = service.look  # noqa: SLF001 - the seam below which HTTP begins
    return client


class Service:
    """Tasks as functions of time."""

    def __init__(self, jobs: int) -> None:
        roll = random.Random(jobs).random
        self.starts = [ARRIVALS * number / jobs for number in range(jobs)]
        self.ends = [start + DURATION * (1 + SPREAD * (2 * roll() - 1)) for start in self.starts]
        self.late: list[float] = []
        self.looks = 0

    async def look(self, task_id: int) -> Task | Failure:
        """Look at a task."""
        self.looks += 1
        now, start, end = asyncio.get_running_loop().time(), self.starts[task_id - 1], self.ends[task_id - 1]
        if now >= end:
            self.late.append(now - end)
            return _answer(task_id, "Success", 100)
        return _answer(task_id, "Processing", int(100 * (now - start) / (end - start)))


def _answer(task_id: int, status: str, percentage: int) -> Task | Failure:
    """Read a task out of an answer, as it comes over the wire."""
    data = {"id": task_id, "status": status, "waitNumber": 0, "percentage": percentage, "input": INPUT, "output": None}
    if status == "Success":
        data["output"] = OUTPUT
    return read_look(Answer(200, json.dumps({"code": 0, "message": "success", "data": data}).encode()), task_id)


def cost(jobs: int) -> dict[str, float]:
    """Await that many jobs; return CPU microseconds per job, looks per job, and seconds of lateness."""
    service = Service(jobs)

    async def main() -> float:
        async with client_of(service, at_once=10) as client:
            arrive = asyncio.get_running_loop().time

            async def job(number: int) -> None:
                await asyncio.sleep(service.starts[number] - arrive())
                await client.wait(number + 1)

            gc.collect()
            cpu = time.process_time()
            await asyncio.gather(*(job(number) for number in range(jobs)))
            return time.process_time() - cpu

    cpu = run(main)
    return {
        "us": 1e6 * cpu / jobs,
        "looks": service.looks / jobs,
        "us_per_look": 1e6 * cpu / service.looks,
        "late": statistics.fmean(service.late),
    }


def memory(jobs: int = WEIGHED) -> dict[str, float]:
    """Return the bytes that a waiting job holds, and those of its caller's own coroutine and task."""

    async def hold(wait: Callable[[int], Awaitable[object]]) -> float:
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]

        async def job(number: int) -> None:
            await wait(number)

        tasks = [asyncio.create_task(job(number)) for number in range(1, jobs + 1)]
        await asyncio.sleep(ARRIVALS)  # everything was looked at by now
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return (after - before) / jobs

    async def main() -> dict[str, float]:
        service = Service(jobs)
        service.starts, service.ends = [0.0] * jobs, [1e6] * jobs
        loop = asyncio.get_running_loop()
        caller = await hold(lambda _: loop.create_future())
        async with client_of(service, at_once=10) as client:
            waiting = await hold(client.wait)
        numbers = itertools.count(1)

        async def submit(*_: object, **__: object) -> int:
            return next(numbers)

        async with client_of(service, at_once=10) as client:
            client._session.submit = submit  # type: ignore[method-assign]  # noqa: SLF001
            generating = await hold(lambda _: client.generate(REQUEST))
        return {"caller": caller, "ours": waiting - caller, "generate": generating - caller}

    result: dict[str, float] = run(main)
    return result


def longest_callback(jobs: int = 1_000) -> dict[str, float]:
    """Return the CPU milliseconds of the longest callback of the event loop while *jobs* are in flight.

    The garbage collector may strike in any callback, for as long as the whole application has objects: its pauses are
    told apart.
    """
    service = Service(jobs)
    spans: list[tuple[float, float]] = []
    pauses = [0.0, 0.0]  # since when the collector runs, and for how long it did in this callback
    plain = asyncio.Handle._run  # noqa: SLF001 - every callback of an event loop comes by here

    def collected(phase: str, _: dict[str, int]) -> None:
        now = time.thread_time()
        if phase == "start":
            pauses[0] = now
        else:
            pauses[1] += now - pauses[0]

    def timed(handle: asyncio.Handle) -> None:
        pauses[1] = 0.0
        before = time.thread_time()
        plain(handle)
        took = time.thread_time() - before
        spans.append((took - pauses[1], took))

    async def main() -> None:
        async with client_of(service, at_once=10) as client:

            async def job(number: int) -> None:
                await asyncio.sleep(service.starts[number])
                await client.wait(number + 1)

            jobs_at_once = [asyncio.create_task(job(number)) for number in range(jobs)]
            await asyncio.sleep(0)
            asyncio.Handle._run = timed  # type: ignore[assignment, method-assign]  # noqa: SLF001
            gc.callbacks.append(collected)
            try:
                await asyncio.wait(jobs_at_once)
            finally:
                asyncio.Handle._run = plain  # type: ignore[method-assign]  # noqa: SLF001
                gc.callbacks.remove(collected)

    run(main)
    own = sorted(span for span, _ in spans)
    return {
        "longest_ms": 1000 * own[-1],
        "p999_ms": 1000 * own[int(0.999 * len(own))],
        "collector_ms": 1000 * max(took for _, took in spans),
    }


def main(sizes: dict[int, int] | None = None) -> dict[str, Any]:
    """Measure; the sizes are interleaved."""
    sizes = sizes or SIZES
    costs: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    cost(100)  # what is built at its first use
    for number in range(max(sizes.values())):
        for size, times in sizes.items():
            if number < times:
                costs[size].append(cost(size))
    medians = {
        size: {name: statistics.median(one[name] for one in several) for name in several[0]}
        for size, several in costs.items()
    }
    # The least of three: a machine with other work stretches a callback now and then.
    callback = min((longest_callback() for _ in range(3)), key=lambda found: found["longest_ms"])
    return {"cost": medians, "memory": memory(), "callback": callback}


if __name__ == "__main__":
    result = main()
    for size, figures in result["cost"].items():
        print(f"{size:7} jobs", "  ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    print(result["memory"], result["callback"])
