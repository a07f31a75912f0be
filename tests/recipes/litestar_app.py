"""Videos on Litestar: submit and answer at once, or await; follow by server-sent events; hand on the result's URL.

    uvicorn --factory litestar_app:create_app --timeout-graceful-shutdown 5

It needs IDEAL_HOUSE_API_KEY; a task that was paid is found again after a restart, in `journal.db`.
"""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.response import Redirect, ServerSentEvent

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
STATUS: dict[type[IdealError], int] = {
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

#: The browser makes it up, once per order, and repeats it when it asks again.
Key = Annotated[str | None, HeaderParameter(name="Idempotency-Key")]


def show(task: Task) -> dict[str, Any]:
    """Ids are strings here: JavaScript's numbers end at 2**53."""
    eta = None if task.eta is None else round(task.eta.seconds)
    url = task.output and task.output.result_url
    place = {"percentage": task.percentage, "ahead": task.wait_number, "eta": eta}
    return {"id": str(task.id), "status": str(task.status), **place, "url": url}


def read_order(data: dict[str, Any]) -> ImageToVideo:
    """`ImageToVideo` checks the order, and its words are fit for the browser."""
    try:
        return ImageToVideo(**{"image_url": None, "duration": 5, "resolution": "720p", **data})
    except (ValueError, TypeError) as error:
        raise ClientException(str(error), status_code=422) from error


def read_id(task_id: int) -> int:
    """64 bits can be a task's."""
    if not 0 < task_id < 2**64:
        raise NotFoundException("that is no task's id")
    return task_id


@post("/videos", status_code=202)
async def submit(data: JSONBody[dict[str, Any]], state: State, key: Key = None) -> dict[str, str]:
    """Pay, and answer at once."""
    order = read_order(data)
    try:
        task_id = await state.client.submit(order, key=key, on_submit=state.follow)
    except ValueError as error:  # one key for two different orders
        raise ClientException(str(error), status_code=409) from error
    return {"id": str(task_id)}


@post("/videos/now", status_code=200)
async def generate(data: JSONBody[dict[str, Any]], state: State, key: Key = None) -> dict[str, Any]:
    """Pay, and wait for a while; 202 means: ask for it again, by its id or with the same key."""
    order = read_order(data)
    try:
        return show(await state.client.generate(order, key=key, timeout=PATIENCE, on_submit=state.follow))
    except ValueError as error:
        raise ClientException(str(error), status_code=409) from error


@get("/videos/{task_id:int}")
async def look(task_id: FromPath[int], state: State) -> dict[str, Any]:
    """Where it stands."""
    return show(await state.client.fetch(read_id(task_id)))


@get("/videos/{task_id:int}/events")
async def events(task_id: FromPath[int], state: State) -> ServerSentEvent:
    """Every change until the end, as a page follows it with `EventSource`."""
    await state.client.fetch(read_id(task_id))  # a stream that has begun can tell nobody that there is no such task

    async def stream() -> AsyncIterator[str]:
        async with state.client.watch(task_id) as looks:
            async for task in looks:
                yield json.dumps(show(task))

    return ServerSentEvent(stream())


@get("/videos/{task_id:int}/file")
async def video(task_id: FromPath[int], state: State) -> Redirect:
    """The finished video: the browser fetches it from where it lies."""
    task = await state.client.fetch(read_id(task_id))
    if task.output is None:
        raise NotFoundException(f"task {task_id} is {task.status}: there is no video yet")
    return Redirect(task.output.result_url)


@get("/ping", media_type=MediaType.TEXT)
async def ping() -> str:
    """Something else this process does."""
    return "pong"


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


def explain(_: Request[Any, Any, Any], error: IdealError) -> Response[dict[str, Any]]:
    """Say what to do next in HTTP's words."""
    task_id = None if error.task_id is None else str(error.task_id)
    body = {"error": type(error).__name__, "detail": str(error), "id": task_id}
    return Response(body, status_code=STATUS.get(type(error), 502))


def create_app(journal: str = "journal.db", **options: Any) -> Litestar:
    """Make the application; *options* are the client's."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        with Journal(journal) as memory:
            async with AsyncClient(journal=memory, **options) as client, anyio.create_task_group() as tasks:
                app.state.client = client

                # No lambda: on_submit awaits what it gets back, and start_soon may return something to await.
                def follow_to_the_end(submission: Submission) -> None:
                    tasks.start_soon(follow, client, submission.task_id)

                app.state.follow = follow_to_the_end
                tasks.start_soon(go_on, client)
                yield
                tasks.cancel_scope.cancel()  # stops waiting; what is paid goes on without us

    return Litestar(
        [submit, generate, look, events, video, ping],
        lifespan=[lifespan],
        exception_handlers={IdealError: explain},
        openapi_config=None,
    )
