"""A service in a process of its own, so that what is measured is the client: five wire shapes, one queue.

Run as a program it prints its two ports and serves until its standard input closes.
"""

import asyncio
import heapq
import json
import math
import random
import socket
import struct
import subprocess
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, cast

import attrs

from .clock import Clock

if TYPE_CHECKING:
    from collections.abc import Generator

FIRST_ID = 1234567890123456789
#: Turns of the event loop in which a connection made before a barrier is accepted, read and answered.
TURNS = 8
#: What only this benchmark asks for.
BENCHMARK = "/-"
#: Running jobs report at most this; 100 means done.
NEARLY = 99


@attrs.frozen(kw_only=True)
class Load:
    """What the service does with a job.

    Args:
        duration: Seconds that a job runs, on average.
        spread: Relative half width of the uniform distribution around it.
        workers: Jobs that run at once; `None`: all of them.
        percentage: Whether running jobs report their progress; otherwise it stays 0.
        latency: Seconds from a request to its answer, as over the internet to a service with a database.
        seed: Of the durations.
    """

    duration: float = 75.0
    spread: float = 0.2
    workers: int | None = None
    percentage: bool = True
    latency: float = 0.1
    seed: int = 0


class Service:
    """The queue and its figures: a job's fate is known when it is created, a look only reads it."""

    def __init__(self, load: Load, now: Callable[[], float]) -> None:
        self.load = load
        self.now = now
        self.starts: list[float] = []
        self.ends: list[float] = []
        self.inputs: list[Any] = []
        self.requests: list[float] = []
        self.polls = 0
        self.open = 0
        self.most_open = 0
        self.opened = 0
        self._random = random.Random(load.seed)
        self._free: list[float] = []

    def create(self, body: bytes) -> int:
        """Take a job in and return its number."""
        now, load = self.now(), self.load
        start = now
        if load.workers is not None and len(self._free) >= load.workers:
            start = max(now, heapq.heappop(self._free))
        duration = load.duration * (1 + load.spread * (2 * self._random.random() - 1))
        if load.workers is not None:
            heapq.heappush(self._free, start + duration)
        self.starts.append(start)
        self.ends.append(start + duration)
        self.inputs.append(json.loads(body) if body[:1] == b"{" else None)
        return len(self.starts) - 1

    def progress(self, job: int) -> int:
        """Tell how much of a job is done: -1 waits, 0 to 99 runs, 100 is done."""
        self.polls += 1
        now, start, end = self.now(), self.starts[job], self.ends[job]
        if now >= end:
            return 100
        if now < start:
            return -1
        return min(NEARLY, int(100 * (now - start) / (end - start))) if self.load.percentage else 0

    def waiting_before(self, job: int) -> int:
        """Tell how many jobs are ahead in the queue (they start in the order in which they came)."""
        return max(0, job - bisect_right(self.starts, self.now()))

    def report(self) -> dict[str, Any]:
        """Tell what was asked of it."""
        times, peak, first = sorted(self.requests), 0, 0
        for last, at in enumerate(times):
            while times[first] <= at - 1.0:
                first += 1
            peak = max(peak, last - first + 1)
        return {
            "requests": len(times),
            "looks": self.polls,
            "peak": peak,
            "most_open": self.most_open,
            "opened": self.opened,
            "starts": self.starts,
            "ends": self.ends,
        }


def _ideal(service: Service, method: str, path: str, body: bytes) -> object:
    if method == "POST":
        return {"code": 0, "message": "success", "data": FIRST_ID + service.create(body)}
    job = int(path.rpartition("taskId=")[2]) - FIRST_ID
    percentage = service.progress(job)
    output = {
        "resultUrl": f"https://cdn.ideal.house/output/video_{job}.mp4",
        "cover": f"https://cdn.ideal.house/output/video_{job}.jpg",
        "width": 1280,
        "height": 720,
    }
    status = "Unprocessed" if percentage < 0 else "Processing" if percentage <= NEARLY else "Success"
    return {
        "code": 0,
        "message": "success",
        "data": {
            "id": FIRST_ID + job,
            "status": status,
            "waitNumber": service.waiting_before(job) if percentage < 0 else 0,
            "percentage": max(0, percentage),
            "input": service.inputs[job],
            "output": output if status == "Success" else None,
        },
    }


def _runway(service: Service, method: str, path: str, body: bytes) -> object:
    cost = {"credits": 25}
    if method == "POST":
        return {"id": f"job-{service.create(body)}", "estimatedCost": cost}
    job = int(path.rpartition("job-")[2])
    percentage = service.progress(job)
    answer = {"id": f"job-{job}", "createdAt": "2026-01-01T00:00:00.000Z"}
    if percentage < 0:
        return {**answer, "status": "PENDING", "estimatedCost": cost}
    if percentage <= NEARLY:
        return {**answer, "status": "RUNNING", "progress": percentage / 100, "estimatedCost": cost}
    return {**answer, "status": "SUCCEEDED", "cost": cost, "output": ["https://example.com/video.mp4"]}


def _openai(service: Service, method: str, path: str, body: bytes) -> object:
    job = service.create(body) if method == "POST" else int(path.rpartition("job-")[2])
    percentage = -1 if method == "POST" else service.progress(job)
    return {
        "id": f"job-{job}",
        "object": "video",
        "created_at": 1767225600,
        "status": "queued" if percentage < 0 else "in_progress" if percentage <= NEARLY else "completed",
        "model": "sora-2",
        "progress": max(0, percentage),
        "seconds": "4",
        "size": "720x1280",
    }


def _replicate(service: Service, method: str, path: str, body: bytes) -> object:
    job = service.create(body) if method == "POST" else int(path.rpartition("job-")[2])
    percentage = -1 if method == "POST" else service.progress(job)
    return {
        "id": f"job-{job}",
        "model": "someone/image-to-video",
        "version": "hidden",
        "status": "starting" if percentage < 0 else "processing" if percentage <= NEARLY else "succeeded",
        "input": {"image": "https://example.com/room.jpg"},
        "output": "https://example.com/video.mp4" if percentage > NEARLY else None,
        "logs": f"{max(0, percentage)}%",
        "error": None,
        "metrics": {},
        "created_at": "2026-01-01T00:00:00.000Z",
        "started_at": None,
        "completed_at": None,
        "urls": {},
    }


def _fal(service: Service, method: str, path: str, body: bytes) -> object:
    if method == "POST":
        job = service.create(body)
        here = f"{{here}}/fal/video/requests/job-{job}"
        return {
            "request_id": f"job-{job}",
            "response_url": here,
            "status_url": f"{here}/status",
            "cancel_url": f"{here}/cancel",
        }
    number, _, what = path.partition("job-")[2].partition("/")
    if not what:
        return {"video": {"url": "https://example.com/video.mp4"}}
    job = int(number)
    percentage = service.progress(job)
    if percentage < 0:
        return {"status": "IN_QUEUE", "queue_position": service.waiting_before(job)}
    return {"status": "IN_PROGRESS" if percentage <= NEARLY else "COMPLETED", "logs": None, "metrics": {}}


#: First part of the path -> the wire shape of one service.
SHAPES: dict[str, Callable[[Service, str, str, bytes], object]] = {
    "api": _ideal,
    "runway": _runway,
    "openai": _openai,
    "replicate": _replicate,
    "fal": _fal,
}


class Door(asyncio.Protocol):
    """HTTP/1.1 as far as clients of this benchmark speak it: keep-alive, no pipelining, bodies with a length."""

    def __init__(self, state: SimpleNamespace) -> None:
        self._state = state
        self._held = bytearray()
        self._out: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._out = cast("asyncio.Transport", transport)
        service: Service = self._state.service
        service.open += 1
        service.opened += 1
        service.most_open = max(service.most_open, service.open)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it."""
        del exc
        self._state.service.open -= 1

    def data_received(self, data: bytes) -> None:
        """Answer each complete request."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._held[:end]).decode("latin-1")
            start, *fields = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            length = int(headers.get("content-length", "0"))
            if len(self._held) < end + 4 + length:
                return
            body = bytes(self._held[end + 4 : end + 4 + length])
            del self._held[: end + 4 + length]
            method, path, _ = start.split(" ", 2)
            content = self._answer(method, path, body).replace(b"{here}", b"http://" + headers["host"].encode())
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            answer %= (len(content), content)
            latency = self._state.service.load.latency if path != BENCHMARK else 0.0
            if latency:
                due = self._state.clock.now() + latency
                self._state.owed.append(due)  # in order: the latency is the same for all
                asyncio.get_running_loop().call_at(due, self._send, answer)
            else:
                self._write(answer)

    def _send(self, answer: bytes) -> None:
        self._state.owed.popleft()
        self._write(answer)

    def _write(self, answer: bytes) -> None:
        if self._out is not None and not self._out.is_closing():
            self._out.write(answer)

    def _answer(self, method: str, path: str, body: bytes) -> bytes:
        state = self._state
        shape = SHAPES.get(path.split("/", 2)[1])
        if shape is None:  # the benchmark itself
            if method == "POST":
                state.service, old = Service(Load(**json.loads(body)), state.clock.now), state.service
                state.service.open = state.service.most_open = old.open
            return json.dumps(state.service.report()).encode()
        state.service.requests.append(state.clock.now())
        return json.dumps(shape(state.service, method, path, body)).encode()


class Barrier(asyncio.Protocol):
    """Tells when the next answer is due, once everything that reached this process before has been taken in."""

    _out: asyncio.Transport | None = None

    def __init__(self, state: SimpleNamespace) -> None:
        self._state = state

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._out = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Let everything else go first."""
        del data
        self._pass(TURNS)

    def _pass(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._pass, turns - 1)
        elif self._out is not None:
            self._out.write(struct.pack("d", self._state.owed[0] if self._state.owed else math.inf))


async def serve(clock: Clock) -> None:
    """Serve until standard input closes."""
    clock.install()
    loop = asyncio.get_running_loop()
    state = SimpleNamespace(clock=clock, service=Service(Load(), clock.now), owed=deque())
    servers = [
        await loop.create_server(lambda: Door(state), "127.0.0.1", 0, backlog=4096),
        await loop.create_server(lambda: Barrier(state), "127.0.0.1", 0),
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    over = asyncio.Event()
    loop.add_reader(sys.stdin, over.set)
    await over.wait()
    loop.remove_reader(sys.stdin)


@attrs.frozen
class Server:
    """The running service, seen from outside.

    Attributes:
        port: Of the API.
        barrier_port: Answers a byte when everything is answered.
        clock: Shared with it.
    """

    port: int
    barrier_port: int
    clock: Clock

    @property
    def url(self) -> str:
        """Base URL, to which a first part of `SHAPES` is added."""
        return f"http://127.0.0.1:{self.port}"

    def barrier(self) -> socket.socket:
        """Connect to the barrier."""
        connection = socket.create_connection(("127.0.0.1", self.barrier_port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def begin(self, load: Load) -> None:
        """Begin anew, with an empty queue."""
        self._ask("POST", json.dumps(attrs.asdict(load)).encode())

    def create(self, body: bytes) -> None:
        """Create a job, as a client of ours would."""
        self._ask("POST", body, "/api/v1/imageToVideo/generate")

    def report(self) -> dict[str, Any]:
        """Tell what was asked of it since."""
        return cast("dict[str, Any]", json.loads(self._ask("GET", b"")))

    def _ask(self, method: str, body: bytes, path: str = BENCHMARK) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port)) as connection, connection.makefile("rb") as answer:
            head = f"{method} {path} HTTP/1.1\r\nHost: benchmark\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            length = 0
            while (line := answer.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            return answer.read(length)


@contextmanager
def running() -> "Generator[Server]":
    """Run the service in another process."""
    clock = Clock()
    command = [sys.executable, "-m", "benchmarks.server", str(clock.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            ports = cast("IO[str]", process.stdout).readline().split()
            yield Server(int(ports[0]), int(ports[1]), clock)
        finally:
            cast("IO[str]", process.stdin).close()
            process.wait()
            clock.path.unlink()


if __name__ == "__main__":
    asyncio.run(serve(Clock(Path(sys.argv[1]))))
