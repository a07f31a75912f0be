"""The client's own task, without a client."""

import contextvars
from typing import Any

import anyio
import pytest

from ideal_async._background import Background

pytestmark = pytest.mark.anyio
WHO = contextvars.ContextVar("WHO", default="nobody")


class Journal:
    """Notes what happens."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def service(self) -> None:
        """Run for ever."""
        self.lines.append(f"began for {WHO.get()}")
        try:
            await anyio.sleep_forever()
        finally:
            self.lines.append("ended")

    async def on_end(self) -> None:
        """Take a second to tidy up."""
        await anyio.sleep(1)
        self.lines.append("over")


async def test_services_run_from_the_start_to_the_end() -> None:
    """And `on_end` is finished when closing is, even inside of a cancelled scope."""
    notes = Journal()
    background = Background(notes.service, on_end=notes.on_end)
    with anyio.CancelScope() as scope:
        await background.open(scoped=True)
        await anyio.sleep(5)
        scope.cancel()
        await background.aclose()
    assert background.closed
    assert notes.lines[-2:] == ["ended", "over"]


async def test_on_asyncio_the_openers_context_stays_out(anyio_backend_name: str) -> None:
    """What many callers share belongs to none of them."""
    if anyio_backend_name == "trio":
        return
    notes = Journal()
    background = Background(notes.service, on_end=notes.on_end)
    WHO.set("the first caller")
    await background.open()
    await anyio.wait_all_tasks_blocked()
    await background.aclose()
    assert notes.lines[0] == "began for nobody"


async def test_a_call_returns_what_its_function_returns() -> None:
    """It runs in the background's own task."""
    background = Background(on_end=Journal().on_end)
    await background.open(scoped=True)

    async def add(one: int, other: int) -> int:
        await anyio.sleep(1)
        return one + other

    assert await background.run(add, 1, 2) == 3
    await background.aclose()


async def test_a_call_ends_with_its_caller() -> None:
    """Nobody else wants its result."""
    background = Background(on_end=Journal().on_end)
    await background.open(scoped=True)
    ended: list[float] = []

    async def forever() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(anyio.current_time())

    began = anyio.current_time()
    with anyio.move_on_after(3):
        await background.run(forever)
    await anyio.wait_all_tasks_blocked()
    assert len(ended) == 1
    assert ended[0] - began < 3.5
    await background.aclose()


async def test_a_call_that_closing_interrupts_has_no_result() -> None:
    """`None`, and its caller goes on."""
    background = Background(on_end=Journal().on_end)
    results: list[Any] = []

    async def forever() -> int:
        await anyio.sleep_forever()
        return 1

    async def call() -> None:
        results.append(await background.run(forever))

    async with anyio.create_task_group() as callers:
        await background.open(scoped=True)
        callers.start_soon(call)
        await anyio.sleep(1)
        await background.aclose()
    assert results == [None]


async def test_nothing_starts_before_it_is_open() -> None:
    """A mistake in this library, told as one."""
    background = Background(on_end=Journal().on_end)
    with pytest.raises(RuntimeError, match=r"open\(\) comes first"):
        background.start_soon(anyio.sleep, 1)


async def test_on_asyncio_many_may_open_and_close_at_once(anyio_backend_name: str) -> None:
    """One of them starts it, the others wait until it has begun; closing is waited for by everybody who asks."""
    if anyio_backend_name == "trio":
        return
    notes = Journal()
    background = Background(notes.service, on_end=notes.on_end)
    async with anyio.create_task_group() as callers:
        for _ in range(3):
            callers.start_soon(background.open)
    assert len(notes.lines) == 1
    closed: list[int] = []

    async def close() -> None:
        await background.aclose()
        closed.append(notes.lines.count("over"))

    async with anyio.create_task_group() as callers:
        for _ in range(3):
            callers.start_soon(close)
    await close()
    assert closed == [1, 1, 1, 1]


async def test_closing_twice_is_closing() -> None:
    """The second time there is nothing left to do; also when it was never opened."""
    for opened in (True, False):
        notes = Journal()
        background = Background(notes.service, on_end=notes.on_end)
        if opened:
            await background.open(scoped=True)
        for _ in range(2):
            await background.aclose()
        assert notes.lines.count("over") == 1
        with pytest.raises(RuntimeError, match="closed"):
            await background.open(scoped=True)


async def test_on_trio_who_closes_second_does_not_wait(anyio_backend_name: str) -> None:
    """There the block that opened it closes it; anybody else only says that it is time."""
    if anyio_backend_name == "asyncio":
        return
    notes = Journal()

    async def finish() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)

    background = Background(finish, on_end=notes.on_end)
    async with anyio.create_task_group() as closers:
        await background.open(scoped=True)

        async def later() -> None:
            await anyio.sleep(0.5)
            await background.aclose()
            assert notes.lines == []

        closers.start_soon(later)
        await background.aclose()
    assert notes.lines == ["over"]


async def test_what_raises_ends_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in one task is logged with its traceback; services, and what is started later, go on."""
    notes = Journal()
    background = Background(notes.service, on_end=notes.on_end)
    await background.open(scoped=True)

    async def fail() -> None:
        raise LookupError("nobody foresaw it")

    background.start_soon(fail)
    await anyio.sleep(1)
    background.start_soon(anyio.sleep, 1)
    await anyio.sleep(5)
    assert "ended" not in notes.lines
    await background.aclose()
    (record,) = (record for record in caplog.records if record.name == "ideal_async")
    assert record.levelname == "ERROR"
    assert "fail ended with an error that nobody foresaw" in record.message
    assert record.exc_info is not None
