"""The functions users hand in: called with what happened, and their mistakes kept apart from paid work."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import attrs

from ._models import ImageToVideo, Task

#: Seconds a callback about a paid task may take; longer than any request, so that it can make some.
CALLBACK_LIMIT = 120.0


@attrs.frozen
class Submission:
    """A request whose task id is known: what `on_submit` is called with, at least once a key.

    Attributes:
        task_id: The task.
        key: The caller's idempotency key, or the one that the journal made up; `None` if there is none.
        request: What was asked for.
        paid: This very call paid for it; `False` for what was found in the journal or joined. For counters: bill by
            `task_id`, since a crash may fall between the payment and the callback.
        index: Of the request in its batch, from 0; `None` outside of a batch.
    """

    task_id: int
    key: str | None
    request: ImageToVideo
    paid: bool
    index: int | None = None


T = TypeVar("T")

OnSubmit = Callable[[Submission], Awaitable[None] | None]
OnProgress = Callable[[Task], Awaitable[None] | None]


async def run_callback(callback: Callable[..., Any], *args: object) -> None:
    """Run a callback of the user's, sync or async."""
    result = callback(*args)
    if inspect.isawaitable(result):
        await result


async def run_shielded(callback: Callable[[T], Awaitable[None] | None], value: T, *, about: str) -> Exception | None:
    """Run a callback about paid work to its end, whoever leaves meanwhile, and return what it raised.

    Args:
        callback: Of the user.
        value: What it is called with.
        about: Its name and what it is about, for the error's words.
    """
    import asyncio  # not at the top, where it would be a sixth of what importing the package costs

    error: Exception
    try:
        # Shielded, but not for ever: a callback that waits for somebody who has left must not hold the client.
        with anyio.fail_after(CALLBACK_LIMIT, shield=True):
            await run_callback(callback, value)
    except Exception as raised:  # noqa: BLE001 - handed on to the caller
        error = raised
    except asyncio.CancelledError as raised:
        if _is_cancelled():
            raise
        # It awaited something that somebody else had cancelled: its own affair, not ours.
        error = RuntimeError(f"{about.partition(' ')[0]} was cancelled by what it waited for")
        error.__cause__ = raised
    else:
        return None
    error.add_note(f"raised by {about}, which is paid and goes on")
    return error


def _is_cancelled() -> bool:
    """Tell whether this very task is being cancelled."""
    import asyncio

    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
