"""N jobs of D seconds with each client of this kind, each against its own wire shape on the same server."""

import argparse
import asyncio
import gc
import heapq
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .clock import Clock, SkippingSelector, run
from .server import FIRST_ID, Load, Server, running

if TYPE_CHECKING:
    from ideal_async import ImageToVideo

PICTURE = "https://example.com/room.jpg"
#: Seconds between two looks in the loop that one writes without a library: the vendor's page has it in its examples.
PLAIN_INTERVAL = 5.0
#: Seconds of delay that a look is worth to somebody who counts requests: `Pacing.look_cost`, by default 1/6.
FRUGAL = 2.0

#: Told the number of a job when it is finished, from the caller's point of view.
Finished = Callable[[int], None]
Contender = Callable[[str, int, Finished], Awaitable[None]]


async def _gather(job: Callable[[], Awaitable[int]], jobs: int, finished: Finished) -> None:
    """Await *jobs* jobs at once, as an application does."""

    async def one() -> None:
        finished(await job())

    await asyncio.gather(*(one() for _ in range(jobs)))


def _request() -> "ImageToVideo":
    from ideal_async import ImageToVideo

    return ImageToVideo(PICTURE, duration=5, resolution="720p", prompt="Gentle camera zoom in with soft lighting")


async def _ideal(url: str, jobs: int, finished: Finished, **more: Any) -> None:
    from ideal_async import AsyncClient

    async with AsyncClient("key", base_url=url, **more) as client:

        async def job() -> int:
            return (await client.generate(_request())).id - FIRST_ID

        await _gather(job, jobs, finished)


async def ideal(url: str, jobs: int, finished: Finished) -> None:
    """Ours, on httpx as it comes."""
    await _ideal(url, jobs, finished)


async def ideal_fast(url: str, jobs: int, finished: Finished) -> None:
    """Ours, with the fast transport."""
    from ideal_async.fast import FastTransport

    await _ideal(url, jobs, finished, transport=FastTransport())


async def ideal_frugal(url: str, jobs: int, finished: Finished) -> None:
    """Ours, told that a look is worth 2 s of delay."""
    from ideal_async import Pacing

    await _ideal(url, jobs, finished, pacing=Pacing(look_cost=FRUGAL))


async def ideal_frugal_fast(url: str, jobs: int, finished: Finished) -> None:
    """Both."""
    from ideal_async import Pacing
    from ideal_async.fast import FastTransport

    await _ideal(url, jobs, finished, pacing=Pacing(look_cost=FRUGAL), transport=FastTransport())


async def ideal_httpx2(url: str, jobs: int, finished: Finished) -> None:
    """Ours, on httpx2."""
    import httpx2

    async with httpx2.AsyncClient() as http_client:
        await _ideal(url, jobs, finished, http_client=http_client)


async def ideal_batch(url: str, jobs: int, finished: Finished) -> None:
    """Ours, as a batch with the default window."""
    from ideal_async import AsyncClient, batch

    requests = (_request() for _ in range(jobs))
    async with AsyncClient("key", base_url=url) as client, batch(client, requests) as outcomes:
        async for outcome in outcomes:
            if outcome.task is None:
                raise RuntimeError("a job of the benchmark failed") from outcome.error
            finished(outcome.task.id - FIRST_ID)


async def plain_httpx(url: str, jobs: int, finished: Finished) -> None:
    """The loop of the vendor's page, with httpx."""
    import httpx

    headers = {"APIKEY": "key"}
    body = {"imageUrl": PICTURE, "duration": 5, "resolution": "720p", "prompt": "Gentle camera zoom in"}
    # A long timeout: on a busy machine the skipped clock would end some of its connections.
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600.0) as client:

        async def job() -> int:
            answer = await client.post("/api/v1/imageToVideo/generate", json=body)
            task_id: int = answer.json()["data"]
            while True:
                await asyncio.sleep(PLAIN_INTERVAL)
                answer = await client.get("/api/v1/imageToVideo/result", params={"taskId": task_id})
                if answer.json()["data"]["status"] in ("Success", "Failed"):
                    return task_id - FIRST_ID

        await _gather(job, jobs, finished)


async def runwayml(url: str, jobs: int, finished: Finished) -> None:
    """Runway's SDK: `create`, then `wait_for_task_output`."""
    from runwayml import AsyncRunwayML

    async with AsyncRunwayML(api_key="key", base_url=f"{url}/runway") as client:

        async def job() -> int:
            task = await client.image_to_video.create(
                model="gen4_turbo", prompt_image=PICTURE, ratio="1280:720", duration=5, prompt_text="Zoom in"
            )
            return _number((await task.wait_for_task_output()).id)

        await _gather(job, jobs, finished)


async def openai(url: str, jobs: int, finished: Finished) -> None:
    """OpenAI's SDK: `create_and_poll`."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(api_key="key", base_url=f"{url}/openai") as client:

        async def job() -> int:
            return _number((await client.videos.create_and_poll(prompt="Zoom in", model="sora-2")).id)

        await _gather(job, jobs, finished)


async def replicate(url: str, jobs: int, finished: Finished) -> None:
    """Replicate's SDK: `async_create`, then `async_wait`."""
    from replicate.client import Client

    client = Client(api_token="key", base_url=f"{url}/replicate")  # noqa: S106 - not secret

    async def job() -> int:
        prediction = await client.predictions.async_create(
            version="5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa", input={"image": PICTURE}
        )
        await prediction.async_wait()
        return _number(prediction.id)

    await _gather(job, jobs, finished)


async def fal(url: str, jobs: int, finished: Finished) -> None:
    """Fal's SDK: `subscribe`."""
    import fal_client
    import fal_client.client

    fal_client.client.QUEUE_URL_FORMAT = f"{url}/"  # it speaks https to its own host only
    client = fal_client.AsyncClient(key="key")

    async def job() -> int:
        handle = await client.submit("fal/video", arguments={"image_url": PICTURE})
        await handle.get()
        return _number(handle.request_id)

    await _gather(job, jobs, finished)


def _number(name: str) -> int:
    return int(name.removeprefix("job-"))


OURS: dict[str, Contender] = {
    "ideal_async": ideal,
    "ideal_async, fast": ideal_fast,
    "ideal_async, frugal": ideal_frugal,
    "ideal_async, frugal, fast": ideal_frugal_fast,
    "ideal_async, httpx2": ideal_httpx2,
}
PEERS: dict[str, Contender] = {
    "plain httpx, 5 s": plain_httpx,
    "runwayml": runwayml,
    "openai": openai,
    "replicate": replicate,
    "fal-client": fal,
}
#: What has to be installed for a contender.
PACKAGES = {
    "ideal_async, fast": "aiohttp",
    "ideal_async, frugal, fast": "aiohttp",
    "ideal_async, httpx2": "httpx2",
    "runwayml": "runwayml",
    "openai": "openai",
    "replicate": "replicate",
    "fal-client": "fal_client",
}
OTHERS: dict[str, Contender] = {"ideal_async.batch": ideal_batch}


def measure(name: str, server: Server, load: Load, jobs: int) -> dict[str, Any]:
    """Run one contender in this process."""
    server.clock.install()
    warnings.simplefilter("ignore")  # peers announce what they will drop one day
    contender = {**OURS, **PEERS, **OTHERS}[name]

    def once(load: Load, jobs: int) -> tuple[float, int, dict[int, float]]:
        server.begin(load)
        finished: dict[int, float] = {}
        with server.barrier() as barrier:
            selector = SkippingSelector(server.clock, barrier)

            async def main() -> None:
                def note(job: int) -> None:
                    finished.setdefault(job, server.clock.now())

                await contender(server.url, jobs, note)

            gc.collect()
            memory, cpu = _begin_to_weigh(), time.process_time()
            run(main, selector)
            cpu = time.process_time() - cpu - selector.overhead
        return cpu, max(0, _peak() - memory), finished

    once(Load(duration=1.0), 1)  # imports, and classes that are built at their first use
    began = time.perf_counter()
    cpu, memory, finished = once(load, jobs)
    took = time.perf_counter() - began
    report = server.report()
    late = sorted(at - report["ends"][job] for job, at in finished.items())
    return {
        "contender": name,
        "jobs": jobs,
        "cpu_ms": 1000 * cpu / jobs,
        "requests": report["requests"] / jobs,
        "peak": report["peak"],
        "connections": report["most_open"] - 1,  # the barrier's neighbour, which asks for the report
        "memory_kb": memory / 1024 / jobs,
        "late_mean": statistics.fmean(late),
        "late_p95": late[int(0.95 * (len(late) - 1))],
        "late_max": late[-1],
        "makespan": max(finished.values()) - report["starts"][0],
        "bound": _bound(report["starts"], report["ends"], load.workers),
        "took": took,
    }


def _bound(starts: list[float], ends: list[float], workers: int | None) -> float:
    """Return the seconds that the service itself needs for these jobs, had they all come at once."""
    free = [0.0] * (workers or len(starts))
    for start, end in zip(starts, ends, strict=True):
        heapq.heappush(free, heapq.heappop(free) + end - start)
    return max(free)


def _begin_to_weigh() -> int:
    """Return the resident bytes, and let the kernel forget the peak before."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    """Read a number of bytes from what the kernel tells about this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(line.split()[1])


def spawn(name: str, server: Server, load: Load, jobs: int) -> dict[str, Any]:
    """Run one contender in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", "--only", name, "--jobs", str(jobs)]
    command += ["--load", json.dumps(attrs.asdict(load))]
    command += ["--server", json.dumps([server.port, server.barrier_port, str(server.clock.path)])]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


#: The four that the promises are about.
PROMISED = ["ideal_async", "ideal_async, fast", "plain httpx, 5 s", "runwayml"]
#: What is compared: all with few jobs, then the four with many, in five rounds.
ROUNDS = [
    ([*OURS, *PEERS], 60, Load(duration=75.0), 1),
    (PROMISED, 200, Load(duration=77.0), 5),
    (PROMISED, 300, Load(), 5),
    (["ideal_async, frugal", "ideal_async, frugal, fast"], 300, Load(), 1),
    (["ideal_async", "ideal_async, frugal", "plain httpx, 5 s"], 300, Load(percentage=False), 1),
]


def main() -> list[dict[str, Any]]:
    """Measure all in interleaved rounds; of several rounds each figure is the median."""
    measured: dict[tuple[str, int, Load], list[dict[str, Any]]] = {}
    todo = [
        (number, name, jobs, load)
        for names, jobs, load, rounds in ROUNDS
        for number in range(rounds)
        for name in names
        if name not in PACKAGES or find_spec(PACKAGES[name]) is not None
    ]
    todo.sort(key=lambda one: (one[2], one[3].percentage, one[0]))  # rounds are interleaved
    with running() as server:
        for _, name, jobs, load in todo:
            measured.setdefault((name, jobs, load), []).append(spawn(name, server, load, jobs))
    return [
        {
            **{figure: _median([round_[figure] for round_ in rounds]) for figure in rounds[0]},
            "percentage": load.percentage,
            "duration": load.duration,
        }
        for (_, _, load), rounds in measured.items()
    ]


def _median(values: list[Any]) -> Any:
    return values[0] if isinstance(values[0], str) else statistics.median(values)


def run_one() -> None:
    """Run as a program: one contender, its figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", required=True)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--load", type=json.loads, default={})
    parser.add_argument("--server", type=json.loads)
    asked = parser.parse_args()
    if asked.server:
        port, barrier_port, path = asked.server
        server = Server(port, barrier_port, Clock(Path(path)))
        print(json.dumps(measure(asked.only, server, Load(**asked.load), asked.jobs)))
        return
    with running() as server:
        print(json.dumps(spawn(asked.only, server, Load(**asked.load), asked.jobs), indent=1))


if __name__ == "__main__":
    run_one()
