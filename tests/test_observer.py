"""What an observer hears, and that it can do no harm."""

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from ideal_async import (
    AsyncClient,
    ConnectionFailed,
    IdealError,
    ImageToVideo,
    Observer,
    SubmissionUnknown,
    Task,
    TaskFailed,
    _books,
)
from ideal_async.sandbox import Sandbox

ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
FIRST = 1234567890123456789


class Notebook(Observer):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.running = self.waited_for = 0
        self.looks: list[tuple[str, float]] = []

    @contextmanager
    def call(self, name: str, task_id: int | None) -> Generator[Callable[[int], None]]:
        """Note the beginning, the id and the end."""
        self.heard.append((name, task_id))
        try:
            yield lambda known: self.heard.append((name, "is", known))
        except BaseException as error:
            self.heard.append((name, type(error).__name__))
            raise
        self.heard.append((name, "done"))

    def submission(self, fate: str, request: ImageToVideo, credits: int | None) -> None:
        """Note a fate."""
        assert request is ROOM
        self.heard.append((fate, credits))

    def looked(self, task_id: int, result: Task | IdealError, late: float) -> None:
        """Note a look."""
        assert task_id >= FIRST
        self.looks.append((str(result.status) if isinstance(result, Task) else type(result).__name__, late))

    def ended(self, task_id: int, task: Task | None, credits: int | None) -> None:
        """Note an end."""
        self.heard.append(("ended", task_id, task and str(task.status), credits))

    def braked(self, seconds: float) -> None:
        """Note the brake."""
        self.heard.append(("braked", seconds))

    def in_flight(self, change: int) -> None:
        """Count."""
        self.running += change

    def waiting(self, change: int) -> None:
        """Count."""
        self.waited_for += change


class Clumsy(Observer):
    """Fails wherever it can."""

    def __init__(self, breaks: str) -> None:
        for name in ("submission", "looked", "ended", "braked", "in_flight", "waiting"):
            setattr(self, name, self.fail)
        self._breaks = breaks

    def fail(self, *_: object) -> None:
        """Fail, with words that must not get into a log."""
        raise ZeroDivisionError("prompt")

    def call(self, name: str, task_id: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Fail at once, on entry, with the id, or on leaving."""
        del name, task_id
        if self._breaks == "call":
            self.fail()
        return self._block()

    @contextmanager
    def _block(self) -> Generator[Callable[[int], None]]:
        if self._breaks == "enter":
            self.fail()
        try:
            yield self.fail if self._breaks == "known" else lambda _: None
        finally:
            if self._breaks == "leave":
                self.fail()


@pytest.mark.anyio
async def test_a_video_from_order_to_file(tmp_path: Path) -> None:
    """Each call has a beginning, an id and an end; what is counted comes back to nothing."""
    sandbox, notebook = Sandbox(render=False), Notebook()
    leave_loop: Any = _inline
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=notebook, _leave_loop=leave_loop) as client:
        task = await client.generate(ROOM)
        assert (notebook.running, notebook.waited_for) == (0, 0)
        await client.download(task, tmp_path / "room.mp4")
    assert notebook.heard == [
        ("submit", None),
        ("submitted", 10),
        ("submit", "is", FIRST),
        ("submit", "done"),
        ("wait", FIRST),
        ("ended", FIRST, "Success", 10),
        ("wait", "done"),
        ("download", FIRST),
        ("download", "done"),
    ]
    assert [status for status, _ in notebook.looks][-1] == "Success"
    assert all(late == 0 for _, late in notebook.looks)


async def _inline(function: Callable[..., Any], *args: object) -> Any:
    return function(*args)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("faults", "error", "heard"),
    [
        ("submit 1: drop after", SubmissionUnknown, ("unknown", 10)),
        ("submit 1: 200 code 9051", IdealError, ("refused", 10)),
        ("task 1: fail", TaskFailed, ("ended", FIRST, "Failed", 10)),
        ("task 1: prohibit", TaskFailed, ("ended", FIRST, None, 10)),
    ],
    ids=["unknown", "refused", "failed", "prohibited"],
)
async def test_what_goes_wrong_is_told(faults: str, error: type[Exception], heard: tuple[Any, ...]) -> None:
    """Every fate has its word, and every failed call the name of its error."""
    sandbox, notebook = Sandbox(render=False, faults=faults), Notebook()
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=notebook) as client:
        with pytest.raises(error) as caught:
            await client.generate(ROOM)
    assert heard in notebook.heard
    assert notebook.heard[-1][-1] == type(caught.value).__name__
    assert (notebook.running, notebook.waited_for) == (0, 0)


@pytest.mark.anyio
async def test_the_brake_and_a_bad_look_are_told() -> None:
    """A 429 is heard with its pause; a look that fails with its error."""
    sandbox, notebook = Sandbox(render=False, faults="look 1: 429 retry-after 7"), Notebook()
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=notebook) as client:
        await client.generate(ROOM)
    assert ("braked", 7) in notebook.heard or [entry for entry in notebook.heard if entry[0] == "braked"]
    assert notebook.looks[0][0] == "RateLimited"


@pytest.mark.anyio
async def test_a_request_that_never_left_is_told() -> None:
    """Cancelled while it waited for its turn: nothing was spent, and that is what is heard."""
    sandbox, notebook = Sandbox(render=False, faults="submit 1-4: delay 30"), Notebook()
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=notebook) as client:
        async with anyio.create_task_group() as callers:
            for _ in range(4):
                callers.start_soon(client.submit, ROOM)
            await anyio.sleep(1)
            with anyio.move_on_after(1):
                await client.submit(ROOM)
            with pytest.raises(ConnectionFailed):
                await client.generate(ROOM, timeout=1)
        assert notebook.heard.count(("not_sent", 10)) == 2
        assert notebook.running == 4
    assert notebook.running == 0  # of this client: the tasks go on at the service


@pytest.mark.anyio
async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that fell out of the memory is not counted as in flight."""
    monkeypatch.setattr(_books, "REMEMBERED", 2)
    sandbox, notebook = Sandbox(render=False), Notebook()
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=notebook) as client:
        for _ in range(3):
            await client.submit(ROOM)
        assert notebook.running == 2


@pytest.mark.anyio
@pytest.mark.parametrize("breaks", ["call", "enter", "known", "leave"])
async def test_a_clumsy_observer_costs_nothing(breaks: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises, the task is paid once, waited for and handed over; it is reported once, without its words."""
    sandbox = Sandbox(render=False, faults="look 1: 429")
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=Clumsy(breaks)) as client:
        with caplog.at_level(logging.ERROR, "ideal_async"):
            assert (await client.generate(ROOM)).succeeded
            with pytest.raises(IdealError) as caught:
                await client.wait(42)
    assert caught.value.__context__ is None
    assert sandbox.credits == 10_000 - 10
    reports = [record.getMessage() for record in caplog.records]
    assert len(reports) == len(set(reports))
    assert not any("prompt" in report for report in reports)
    assert any("call" in report or "fail" in report for report in reports)


@pytest.mark.anyio
async def test_an_observer_that_only_listens_needs_no_more() -> None:
    """Every method has a default."""
    sandbox = Sandbox(render=False, faults="look 1: 429")
    async with AsyncClient("sandbox", transport=sandbox.transport, observer=Observer()) as client:
        assert (await client.generate(ROOM)).succeeded
