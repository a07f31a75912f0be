"""A mistake about one task, of ours or of one caller, harms nobody else."""

import asyncio
import importlib
import sys
from typing import Any

import anyio
import pytest
from fakes import ID, ROOM, Service, answer, client_of, look

from ideal_async import AsyncClient, ConnectionFailed, Pacing, Task
from ideal_async._forecast import Forecast

pytestmark = pytest.mark.anyio


async def expect(client: AsyncClient, task_id: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        await client.wait(task_id)


def service() -> Service:
    """Task 1 and all others end after a minute."""
    started = anyio.current_time()

    def show(request: Any) -> Any:
        done = anyio.current_time() - started > 60
        return look("Success" if done else "Processing", int(request.url.params["taskId"]))

    return Service(submit=answer(ID), look=show)


class Surprised(Forecast):
    """Fails at the first task it is asked about."""

    def after(self, track: Any, **more: Any) -> float:
        self.first_track = getattr(self, "first_track", track)
        if track is self.first_track:
            raise ZeroDivisionError
        return super().after(track, **more)


async def test_a_mistake_about_one_task_ends_one_wait() -> None:
    """Its waiter hears of it; the others never notice."""
    async with client_of(service()) as client:
        client._poller._forecast = Surprised(Pacing())
        async with anyio.create_task_group() as waits:
            waits.start_soon(expect, client, 1, ZeroDivisionError)
            await anyio.sleep(1)
            assert (await client.wait(2)).succeeded


async def test_a_mistake_at_the_end_of_a_task_ends_one_wait() -> None:
    """As above, where its end is booked."""

    async def on_end(task_id: int, _: Task | None, __: str | None) -> None:
        if task_id == 1:
            raise ZeroDivisionError

    async with client_of(service()) as client:
        client._poller._on_end = on_end
        async with anyio.create_task_group() as waits:
            waits.start_soon(expect, client, 1, ZeroDivisionError)
            assert (await client.wait(2)).succeeded


async def test_a_mistake_nobody_waits_to_hear_of_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Everybody left while the end was being booked."""
    booking = anyio.Event()

    async def on_end(*_: object) -> None:
        booking.set()
        await anyio.sleep(1)
        raise ZeroDivisionError

    async with client_of(service()) as client:
        client._poller._on_end = on_end
        async with anyio.create_task_group() as waits:
            waits.start_soon(client.wait, 1)
            await booking.wait()
            waits.cancel_scope.cancel()
        await anyio.sleep(2)
        assert "waiting for task 1 went wrong" in caplog.text
        assert len(client._poller) == 0


async def test_a_mistake_in_one_look_is_its_callers() -> None:
    """What goes wrong in `fetch` comes out of `fetch`."""

    async def broken(_: int) -> Task:
        raise ZeroDivisionError

    async with client_of(service()) as client:
        client._session.look_again = broken  # type: ignore[assignment, method-assign]  # a mistake
        with pytest.raises(ZeroDivisionError):
            await client.fetch(1)
        assert (await client.wait(2)).succeeded


@pytest.mark.parametrize("max_interval", [0, -1.0, float("nan"), "5", True - 1])
async def test_a_watcher_asks_for_a_positive_number_of_seconds(max_interval: Any) -> None:
    """A query parameter that was never converted is refused before it meets the poller."""
    async with client_of(service()) as client:
        with pytest.raises(
            (TypeError, ValueError), match=r"max_interval (must be|is) a (positive )?number of seconds|NaN"
        ):
            async with client.watch(1, max_interval=max_interval):
                pytest.fail("nothing is watched")


@pytest.mark.parametrize("task_id", [0, -1, 1 << 64, 10**300])
async def test_an_id_has_64_bits(task_id: int) -> None:
    """Anything else is no id of this API."""
    async with client_of(service()) as client:
        with pytest.raises(ValueError, match="64 bits"):
            await client.fetch(task_id)


async def test_another_tasks_answer_is_no_answer() -> None:
    """A cache that ignores the query hands out somebody else's video: that must not settle this task."""
    async with client_of(Service(look=look("Success", 777))) as client:
        with pytest.raises(Exception, match=r"another task's id @ \$\.data\.id"):
            await client.wait(ID)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_loop_torn_down_in_a_callback_still_lands() -> None:
    """The event loop cancels the very task that runs `on_submit`: whoever waits for the id gets it."""

    async def on_submit(_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    client = client_of(service())
    try:
        assert (await client.generate(ROOM, on_submit=on_submit)).id == ID
    except ConnectionFailed as error:  # the client may be closed by it, the id is known all the same
        assert error.task_id == ID  # noqa: PT017 - either is right
    await client.aclose()


@pytest.mark.parametrize(
    ("room", "missing", "extra"),
    [("fast", "aiohttp", "fast"), ("opentelemetry", "opentelemetry.context", "otel")],
)
def test_a_room_names_its_extra(monkeypatch: pytest.MonkeyPatch, room: str, missing: str, extra: str) -> None:
    """Without its package the message says how to get it."""
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, f"ideal_async.{room}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'ideal-async\[{extra}\]'"):
        importlib.import_module(f"ideal_async.{room}")
