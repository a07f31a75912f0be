"""Many videos at once, of requests or of what a journal has not seen the end of: the jobs, and who asks for them."""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sized
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from inspect import isasyncgen

from ._arguments import deadline_of
from ._callbacks import OnSubmit, Submission, run_callback
from ._client import AsyncClient
from ._delivery import Folder, folder_of
from ._errors import SubmissionUnknown
from ._flight import ways_out
from ._journal import Entry
from ._models import ImageToVideo, Task
from ._window import Job, OnBatchProgress, Outcomes

Item = ImageToVideo | tuple[str | None, ImageToVideo]


def batch(
    client: AsyncClient,
    requests: Iterable[Item] | AsyncIterable[Item],
    *,
    max_in_flight: int = 200,
    timeout: float | None = None,
    on_submit: OnSubmit | None = None,
    save: "str | os.PathLike[str] | Folder | None" = None,
    on_progress: "OnBatchProgress | None" = None,
) -> AbstractAsyncContextManager[Outcomes]:
    """Generate many videos; leaving the block early stops submitting and detaches from what runs.

    One failed job never stops the others. Out of credits, a refused key or an exhausted budget close the intake: what
    runs is finished, nothing more is read, and `outcomes.stopped_by` says why. A finished outcome counts as in flight
    until it is read, so a slow reader slows the batch down instead of filling the memory.

    Args:
        client: Does the work; may be used for other things at the same time.
        requests: Any iterable or async iterable of `ImageToVideo` or of `(key, ImageToVideo)`, read lazily.
        max_in_flight: Jobs submitted and not yet read, at most.
        timeout: Seconds for the whole batch; what runs then ends as `WaitTimeout`, and nothing more is read.
        on_submit: Called with a `Submission` as soon as the task id of a job is known, sync or async.
        save: A folder, or a bucket or a folder in it, for the videos: `outcome.file` tells where each is. They are
            named by key and task id, and what is there already is not brought again. What cannot be saved is an
            `Unsaved`; with a journal the same batch again saves it and pays nothing.
        on_progress: Called with a `Progress` soon after each step, at most once a second, sync or async; and once when
            everything has ended. What it raises comes out of the iteration; it stops no job.

    Returns:
        A context manager for `Outcomes`, an async iterator. What *requests* raised, or a `TypeError` for something in
        it that is no request, comes out of the iteration behind the outcomes of everything before it.

    Raises:
        ValueError: *max_in_flight* is less than 1.

    Example:
        >>> async def save_all(client, requests):
        ...     async with batch(client, requests, save="videos") as outcomes:
        ...         async for outcome in outcomes:
        ...             print(outcome.key, outcome.file or outcome.error)
    """
    return Outcomes(
        client,
        _to_generate(client, requests),
        max_in_flight=max_in_flight,
        deadline=deadline_of(timeout),
        on_submit=on_submit,
        save=None if save is None else folder_of(save),
        on_progress=on_progress,
        size=len(requests) if isinstance(requests, Sized) else None,
    )


def resume(
    client: AsyncClient,
    *,
    max_in_flight: int = 50,
    timeout: float | None = None,
    save: "str | os.PathLike[str] | Folder | None" = None,
    on_progress: "OnBatchProgress | None" = None,
) -> AbstractAsyncContextManager[Outcomes]:
    """Go on with what the client's journal has not seen the end of; nothing is sent but looks.

    First come the submissions in doubt, each as an outcome with a `SubmissionUnknown`: they are never sent again unless
    `journal.release(key)` allows it. Then the tasks that were paid, as they end. What had ended before is settled, and
    not among them: where its video was not saved any more, the same batch again saves it and pays nothing.

    Args:
        client: Has a journal.
        max_in_flight: Tasks waited for at once, so that a restart does not stampede the service.
        timeout: Seconds for all of it; what runs then ends as `WaitTimeout`, and nothing more is read.
        save: A folder, or a bucket or a folder in it, for the videos, named as `batch` does.
        on_progress: Called with a `Progress`, as by `batch`; nobody knows how many are still to come.

    Returns:
        A context manager for `Outcomes`, as of `batch`.

    Raises:
        ValueError: *max_in_flight* is less than 1.
        RuntimeError: Out of the iteration: the client has no journal.
        JournalFailed: Out of the iteration: the journal cannot be read.

    Example:
        >>> async def restart(client):
        ...     async with resume(client, save="videos") as outcomes:
        ...         async for outcome in outcomes:
        ...             print(outcome.key, outcome.file or outcome.error)
    """
    return Outcomes(
        client,
        _to_resume(client),
        max_in_flight=max_in_flight,
        deadline=deadline_of(timeout),
        on_submit=None,
        save=None if save is None else folder_of(save),
        on_progress=on_progress,
    )


async def _to_generate(client: AsyncClient, requests: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Job]:
    index = 0
    async with aclosing(each_item(requests)) as items:
        async for item in items:
            key, request = open_item(item, index)
            yield Job(key, request, partial(_generate, client, key, request))
            index += 1


async def _generate(
    client: AsyncClient, key: str | None, request: ImageToVideo, on_submit: OnSubmit, timeout: float | None
) -> Task:
    return await client.generate(request, key=key, timeout=timeout, on_submit=on_submit)


async def _to_resume(client: AsyncClient) -> AsyncGenerator[Job]:
    async with aclosing(client.unsettled()) as entries:
        async for entry in entries:
            yield Job(entry.key, entry.request, partial(_wait_for, client, entry))


async def _wait_for(client: AsyncClient, entry: Entry, on_submit: OnSubmit, timeout: float | None) -> Task:
    """Only ever look: what stands in the journal lacks its URLs' signatures, and somebody may be releasing it."""
    if entry.task_id is None:
        raise SubmissionUnknown(
            f"key {entry.key!r} was sent at {entry.created_at:%Y-%m-%d %H:%M:%S} UTC and no answer came: it may have "
            f"been paid. Look for its task{ways_out(entry.key)}",
            key=entry.key,
            fingerprint=entry.fingerprint,
            sent_at=entry.created_at,
        )
    await run_callback(on_submit, Submission(entry.task_id, entry.key, entry.request, paid=False))
    return await client.wait(entry.task_id, timeout=timeout)


async def each_item(requests: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item]:
    """Read either kind of iterable, and close a generator that is left early."""
    if isinstance(requests, AsyncIterable):
        try:
            async for item in requests:
                yield item
        finally:
            if isasyncgen(requests):
                await requests.aclose()
    else:
        for item in requests:
            yield item


def open_item(item: object, index: int) -> tuple[str | None, ImageToVideo]:
    match item:
        case ImageToVideo():
            return None, item
        case (None | str() as key, ImageToVideo() as request):
            return key, request
        case _:
            raise TypeError(
                f"request {index} must be an ImageToVideo or (key, ImageToVideo), not {type(item).__name__}"
            )
