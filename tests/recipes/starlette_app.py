"""Videos on Starlette: submit and answer at once, or await; follow by server-sent events; serve the file from here.

    uvicorn --factory starlette_app:create_app --timeout-graceful-shutdown 5

It needs IDEAL_HOUSE_API_KEY; a task that was paid is found again after a restart, in `journal.db`.
"""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ideal_async import (
    AsyncClient,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    IdealError,
    ImageToVideo,
    InvalidRequest,
    Journal,
    OutOfCredits,
    Submission,
    SubmissionUnknown,
    Task,
    WaitTimeout,
    resume,
)

logger = logging.getLogger(__name__)

#: What a browser is told; anything else is 502, a gateway's trouble with what is behind it.
STATUS: dict[type[Exception], int] = {
    WaitTimeout: 202,
    OutOfCredits: 402,
    BudgetExceeded: 402,
    SubmissionUnknown: 409,
    ContentRejected: 422,
    InvalidRequest: 422,
    ConnectionFailed: 503,
}
#: Seconds. A handler that waits longer keeps the server from shutting down, and a proxy in front gives up anyway.
PATIENCE = 20.0


def show(task: Task) -> dict[str, Any]:
    """Ids are strings here: JavaScript's numbers end at 2**53."""
    eta = None if task.eta is None else round(task.eta.seconds)
    url = task.output and task.output.result_url
    place = {"percentage": task.percentage, "ahead": task.wait_number, "eta": eta}
    return {"id": str(task.id), "status": task.status, **place, "url": url}


async def read_order(request: Request) -> ImageToVideo:
    """Take the order from JSON: `ImageToVideo` checks it, and its words are fit for the browser."""
    try:
        order = await request.json()
        return ImageToVideo(order.pop("image_url", None), **{"duration": 5, "resolution": "720p", **order})
    except (ValueError, TypeError, AttributeError) as error:
        raise HTTPException(422, str(error)) from error


def read_id(request: Request) -> int:
    """Take the id from the path: digits, of which 64 bits can be a task's."""
    text = request.path_params["task_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**64)) and 0 < int(text) < 2**64):
        raise HTTPException(404, f"{text[:30]!r} is no task's id")
    return int(text)


async def submit(request: Request) -> Response:
    """Pay, and answer at once."""
    order, state, key = await read_order(request), request.app.state, request.headers.get("Idempotency-Key")
    try:
        task_id = await state.client.submit(order, key=key, on_submit=state.follow)
    except ValueError as error:  # one key for two different orders
        raise HTTPException(409, str(error)) from error
    return JSONResponse({"id": str(task_id)}, 202)


async def generate(request: Request) -> Response:
    """Pay, and wait for a while; 202 means: ask for it again, by its id or with the same key."""
    order, state, key = await read_order(request), request.app.state, request.headers.get("Idempotency-Key")
    try:
        task = await state.client.generate(order, key=key, timeout=PATIENCE, on_submit=state.follow)
    except ValueError as error:
        raise HTTPException(409, str(error)) from error
    return JSONResponse(show(task))


async def look(request: Request) -> Response:
    """Where it stands."""
    return JSONResponse(show(await request.app.state.client.fetch(read_id(request))))


async def events(request: Request) -> Response:
    """Every change until the end, as a page follows it with `EventSource`."""
    client, task_id = request.app.state.client, read_id(request)
    await client.fetch(task_id)  # a stream that has begun can tell nobody that there is no such task

    async def stream() -> AsyncIterator[str]:
        async with client.watch(task_id) as looks:
            async for task in looks:
                yield f"data: {json.dumps(show(task))}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def video(request: Request) -> Response:
    """The finished video from this server's disk, in ranges too; the first to ask has it fetched."""
    state, task_id = request.app.state, read_id(request)
    path = state.videos / f"{task_id}.mp4"
    async with state.locks.setdefault(task_id, anyio.Lock()):
        if not path.exists():  # what is there is whole
            await state.client.download(await state.client.wait(task_id, timeout=PATIENCE), path)
    return FileResponse(path, media_type="video/mp4")


async def ping(_: Request) -> Response:
    """Something else this process does."""
    return PlainTextResponse("pong")


async def follow(client: AsyncClient, task_id: int) -> None:
    """Wait, whoever is still interested, so that the journal learns the end."""
    try:
        await client.wait(task_id)
    except IdealError as error:
        logger.info("task %d: %s", task_id, error)


async def go_on(client: AsyncClient) -> None:
    """After a restart: see the end of what was paid before it."""
    try:
        async with resume(client) as outcomes:
            async for outcome in outcomes:
                logger.info("task %s: %s", outcome.task_id, outcome.error or "done")
    except IdealError:
        logger.exception("the journal cannot be read")


async def explain(_: Request, error: Exception) -> Response:
    """Say what to do next in HTTP's words."""
    task_id = getattr(error, "task_id", None)
    body = {"error": type(error).__name__, "detail": str(error), "id": task_id and str(task_id)}
    return JSONResponse(body, STATUS.get(type(error), 502))


def create_app(journal: str = "journal.db", **options: Any) -> Starlette:
    """Make the application; *options* are the client's."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with Journal(journal) as memory:
            async with AsyncClient(journal=memory, **options) as client, anyio.create_task_group() as tasks:
                app.state.client = client

                # No lambda: on_submit awaits what it gets back, and start_soon may return something to await.
                def follow_to_the_end(submission: Submission) -> None:
                    tasks.start_soon(follow, client, submission.task_id)

                app.state.follow = follow_to_the_end
                app.state.videos, app.state.locks = Path(journal).parent, WeakValueDictionary[int, anyio.Lock]()
                tasks.start_soon(go_on, client)
                yield
                tasks.cancel_scope.cancel()  # stops waiting; what is paid goes on without us

    routes = [
        Route("/videos", submit, methods=["POST"]),
        Route("/videos/now", generate, methods=["POST"]),
        Route("/videos/{task_id}", look),
        Route("/videos/{task_id}/events", events),
        Route("/videos/{task_id}/file", video),
        Route("/ping", ping),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={IdealError: explain})
