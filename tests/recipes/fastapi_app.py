"""Videos on FastAPI: submit and answer at once, or await; follow by server-sent events; hand on the result's URL.

    uvicorn --factory fastapi_app:create_app --timeout-graceful-shutdown 5

It needs IDEAL_HOUSE_API_KEY; a task that was paid is found again after a restart, in `journal.db`.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Literal, Self

import anyio
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Request
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel, model_validator

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


class Order(BaseModel):
    """What a browser may ask for; what does not go together is a 422 that says why."""

    image_url: str
    last_image_url: str | None = None
    duration: Literal[5, 10] = 5
    resolution: Literal["480p", "720p", "1080p"] = "720p"
    model_type: Literal["Flash", "Base"] = "Flash"
    generate_audio: bool = False
    prompt: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.request()
        return self

    def request(self) -> ImageToVideo:
        """The same in the client's words."""
        return ImageToVideo(**self.model_dump())


def show(task: Task) -> dict[str, Any]:
    """Ids are strings here: JavaScript's numbers end at 2**53."""
    eta = None if task.eta is None else round(task.eta.seconds)
    return {
        "id": str(task.id),
        "status": task.status,
        "percentage": task.percentage,
        "ahead": task.wait_number,
        "eta": eta,
        "url": task.output and task.output.result_url,
    }


async def client_of(request: Request) -> AsyncClient:  # async: FastAPI would run it in a thread otherwise
    """The one client of this application."""
    client: AsyncClient = request.app.state.client
    return client


Client = Annotated[AsyncClient, Depends(client_of)]
TaskId = Annotated[int, Path(gt=0, lt=2**64)]
#: The browser makes it up, once per order, and repeats it when it asks again.
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@contextmanager
def key_conflicts() -> Iterator[None]:
    """One key for two different orders is a browser's mistake."""
    try:
        yield
    except ValueError as error:
        raise HTTPException(409, str(error)) from error


router = APIRouter()


@router.post("/videos", status_code=202)
async def submit(order: Order, client: Client, request: Request, key: Key = None) -> dict[str, str]:
    """Pay, and answer at once."""
    with key_conflicts():
        task_id = await client.submit(order.request(), key=key, on_submit=request.app.state.follow)
    return {"id": str(task_id)}


@router.post("/videos/now")
async def generate(order: Order, client: Client, request: Request, key: Key = None) -> dict[str, Any]:
    """Pay, and wait for a while; 202 means: ask for it again, by its id or with the same key."""
    follow = request.app.state.follow
    with key_conflicts():
        return show(await client.generate(order.request(), key=key, timeout=PATIENCE, on_submit=follow))


async def seen(task_id: TaskId, client: Client) -> int:
    """A task that there is: a stream that has begun can tell nobody that there is none."""
    return (await client.fetch(task_id)).id


@router.get("/videos/{task_id}")
async def look(task_id: TaskId, client: Client) -> dict[str, Any]:
    """Where it stands."""
    return show(await client.fetch(task_id))


@router.get("/videos/{task_id}/events", response_class=EventSourceResponse)
async def events(task_id: Annotated[int, Depends(seen)], client: Client) -> AsyncIterator[dict[str, Any]]:
    """Every change until the end, as a page follows it with `EventSource`."""
    async with client.watch(task_id) as looks:
        async for task in looks:
            yield show(task)


@router.get("/videos/{task_id}/file")
async def video(task_id: TaskId, client: Client) -> RedirectResponse:
    """The finished video: the browser fetches it from where it lies."""
    task = await client.fetch(task_id)
    if task.output is None:
        raise HTTPException(404, f"task {task_id} is {task.status}: there is no video yet")
    return RedirectResponse(task.output.result_url)


@router.get("/ping")
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


async def explain(_: Request, error: IdealError) -> JSONResponse:
    """Say what to do next in HTTP's words."""
    task_id = None if error.task_id is None else str(error.task_id)
    body = {"error": type(error).__name__, "detail": str(error), "id": task_id}
    return JSONResponse(body, STATUS.get(type(error), 502))


def create_app(journal: str = "journal.db", **options: Any) -> FastAPI:
    """Make the application; *options* are the client's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
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

    app = FastAPI(lifespan=lifespan, exception_handlers={IdealError: explain})
    app.include_router(router)
    return app
