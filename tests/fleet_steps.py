"""An engine in one process, and a service that can be told what to answer for each job."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
from fakes import BASE_URL, KEY, Service, answer, look
from test_download import CONTENT

from ideal_async import AsyncClient, ImageToVideo, Pacing, Retry
from ideal_async.fleet import BatchesOf, Chunks, Engine, Ranges
from ideal_async.postgres import PostgresJournal

Reply = httpx.Response | Exception


def room(name: str = "room", **more: Any) -> ImageToVideo:
    """A request whose prompt tells the service which job it is."""
    return ImageToVideo(f"https://example.com/{name}.jpg", duration=5, resolution="480p", prompt=name, **more)


def rooms(number: int) -> list[ImageToVideo]:
    return [room(str(one)) for one in range(number)]


class Fleet(Service):
    """Makes a video of each request; *submits* and *ends* say otherwise, by prompt."""

    def __init__(self) -> None:
        super().__init__(submit=self._submit, look=self._look, file=self._file)
        self.created: Counter[str] = Counter()
        self.submits_of: dict[str, Callable[[], Any]] = {}
        self.ends: dict[str, Callable[[], Any]] = {}
        self.files: dict[str, Callable[[], Any]] = {}
        self._prompts: dict[int, str] = {}

    async def _submit(self, request: httpx.Request) -> httpx.Response:
        prompt = json.loads(request.content)["prompt"]
        reply: httpx.Response | None = await _say(self.submits_of.get(prompt))
        if reply is not None:
            return reply
        self.created[prompt] += 1
        self._prompts[len(self._prompts) + 1] = prompt
        return answer(len(self._prompts))

    async def _look(self, request: httpx.Request) -> httpx.Response:
        task_id = int(request.url.params["taskId"])
        reply = await _say(self.ends.get(self._prompts[task_id]))
        return look("Success", task_id) if reply is None else look(reply, task_id)

    async def _file(self, request: httpx.Request) -> httpx.Response:
        reply = await _say(self.files.get(self._prompts[int(Path(request.url.path).stem)]))
        return httpx.Response(200, content=CONTENT) if reply is None else reply

    def client(self, journal: Any, **more: Any) -> AsyncClient:
        options = {"pacing": Pacing(min_interval=0.01, max_interval=0.05), "retry": Retry(attempts=1), **more}
        return AsyncClient(KEY, base_url=BASE_URL, transport=self, journal=journal, **options)


async def _say(reply: Callable[[], Any] | None) -> Any:
    said: Any = None if reply is None else reply()
    if hasattr(said, "__await__"):
        said = await said
    if isinstance(said, Exception):
        raise said
    return said


async def until(true: Callable[[], object]) -> None:
    """Wait for what somebody else does, in another thread or process."""
    while not true():  # noqa: ASYNC110 - there is no event of it
        await anyio.sleep(0.01)


class HomeEngine(Engine):
    """Runs chunks one behind the other in this process, when somebody joins; knows no time."""

    def __init__(self, chunks: Chunks | None = None) -> None:
        self.chunks = chunks
        self.order: list[Ranges] = []
        self.cancelled: list[str] = []
        self.rounds = 3
        self._begun: set[str] = set()

    async def begin(self, chunks: Ranges) -> None:
        if chunks.batch not in self._begun:
            self._begun.add(chunks.batch)
            await self.again(chunks)

    async def again(self, chunks: Ranges) -> None:
        self.order.append(chunks)

    async def cancel(self, name: str) -> None:
        self.cancelled.append(name)

    async def works_on(self, name: str) -> bool:
        return any(ranges.batch == name for ranges in self.order)

    async def join(self, name: str) -> None:
        assert self.chunks is not None
        for ranges in [ranges for ranges in self.order if ranges.batch == name]:
            self.order.remove(ranges)
            for chunk in ranges.cut():
                for _ in range(self.rounds):
                    report = await self.chunks.run(chunk)
                    if report.again is None:
                        break
                    await anyio.lowlevel.checkpoint()


def batches_of(engine: HomeEngine, journal: PostgresJournal, **more: Any) -> BatchesOf[HomeEngine]:
    return BatchesOf(engine, journal, base_url=BASE_URL, **more)
