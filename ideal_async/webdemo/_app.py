"""The application: a page, an order, a stream of changes, the finished files."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ideal_async import (
    PRICES,
    AsyncClient,
    Budget,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    DownloadFailed,
    IdealError,
    ImageToVideo,
    InvalidRequest,
    JournalFailed,
    OutOfCredits,
    SubmissionUnknown,
    Task,
    TaskFailed,
    Unauthorized,
    estimate,
)

from ._jobs import FAILED, READY, Board, Job, not_made

logger = logging.getLogger(__name__)

#: Seconds between two looks at most while somebody may be watching; the client never goes below its own minimum.
LIVELY = 1.0

#: The page brings everything along; pictures come from wherever the photographs are.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src * data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Cache-Control": "no-cache",
}


#: What an error means to somebody who ordered a video; the first line that fits counts.
WORDS: tuple[tuple[type[Exception], str], ...] = (
    (ContentRejected, "The service does not make this: another prompt or photograph may do. Nothing was charged."),
    (InvalidRequest, "The service does not accept this order. Nothing was charged."),
    (BudgetExceeded, "There are not enough credits left for this one. Nothing was charged."),
    (OutOfCredits, "There are not enough credits left for this one. Nothing was charged."),
    (Unauthorized, "The service does not know this account any more. Whoever runs this page can mend it."),
    (SubmissionUnknown, "No answer came. It may have been charged, so it is not sent again by itself."),
    (DownloadFailed, "The video is made and paid, but could not be fetched. Restart the page's server to try again."),
    (JournalFailed, "This computer could not write it down. Whoever runs this page can mend it."),
    (ConnectionFailed, "The service cannot be reached. Nothing was charged; try again in a while."),
    (OSError, "This computer could not save it. Is the disk full?"),
)


def in_words(error: Exception) -> str:
    """Say to a person what *error* means for the order."""
    if isinstance(error, TaskFailed):
        return not_made(error)
    return next((words for kind, words in WORDS if isinstance(error, kind)), "Something went wrong on our side.")


class Demo:
    """What the handlers share.

    Args:
        client: Makes the videos.
        budget: Its budget, shown on the page.
        folder: Where finished files go.
        photos: (image URL for the API, URL at which a browser can see it) of the photographs on offer.
        board: The jobs.
        tasks: Where jobs run, whoever is still looking.
    """

    def __init__(
        self,
        *,
        client: AsyncClient,
        budget: Budget,
        folder: Path,
        photos: Sequence[tuple[str, str]],
        board: Board,
        tasks: anyio.abc.TaskGroup,
    ) -> None:
        self.client, self.budget, self.folder, self.photos = client, budget, folder, photos
        self.board, self.tasks = board, tasks

    async def order(self, request: Request) -> Response:
        """Take an order and answer at once; the same key again is the same job."""
        key = request.headers.get("Idempotency-Key", "")
        try:
            body = await request.json()
            video = ImageToVideo(body.pop("image_url", None), **body)
            credits = estimate(video)
        except (ValueError, TypeError, AttributeError) as error:
            raise HTTPException(422, str(error)) from error
        if not key.isascii() or not key:
            raise HTTPException(422, "send an Idempotency-Key, so that an order repeated is an order paid once")
        job = self.board.jobs.get(key)
        if job is None:
            if credits > self.budget.left:
                raise HTTPException(402, f"This one costs {credits} credits, and {self.budget.left} are left.")
            picture = dict(self.photos).get(video.image_url, video.image_url)
            self.board.put(job := Job(key, video, credits, picture))
            self.tasks.start_soon(self._make, job)
        elif job.request != video:
            raise HTTPException(409, "this key was used for another order")
        return JSONResponse(job.show(), 202)

    async def _make(self, job: Job) -> None:
        try:
            job.task_id = await self.client.submit(job.request, key=job.key)
            async with self.client.watch(job.task_id, max_interval=LIVELY) as looks:
                async for task in looks:
                    job.see(task)
                    self.board.put(job)
                    if task.succeeded:
                        await self._fetch(job, task)
        except (IdealError, OSError) as error:
            job.stage, job.problem = FAILED, in_words(error)
        except Exception as error:  # one order takes no other with it
            logger.exception("an order came to nothing")
            job.stage, job.problem = FAILED, in_words(error)
        self.board.put(job)

    async def _fetch(self, job: Job, task: Task) -> None:
        """Bring a finished video here: the service's URLs need not last."""
        await self.client.download(task, self.folder / f"{task.id}.jpg", part="cover")
        await self.client.download(task, self.folder / f"{task.id}.mp4")
        job.stage = READY

    async def start(self, _: Request) -> Response:
        """What the page needs to know before it is drawn."""
        prices = {",".join(map(str, kind)).lower(): credits for kind, credits in PRICES.credits.items()}
        photos = [{"url": url, "picture": picture} for url, picture in self.photos]
        return JSONResponse({"photos": photos, "prices": prices, **self._account()})

    async def account(self, _: Request) -> Response:
        """Where the credits are."""
        return JSONResponse(self._account())

    def _account(self) -> dict[str, int]:
        return {"left": self.budget.left, "spent": self.budget.spent, "refunded": self.budget.refunded}

    async def events(self, _: Request) -> Response:
        """Every change of every job."""
        return StreamingResponse(
            self.board.stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def file(self, request: Request) -> Response:
        """A finished video or its cover, in ranges too."""
        path = self.folder / f"{request.path_params['task']}.{request.path_params['kind']}"
        if request.path_params["kind"] not in {"mp4", "jpg"} or not path.is_file():
            raise HTTPException(404, "there is no such file (yet)")
        return FileResponse(path)


def create_app(
    connect: Callable[[], AbstractAsyncContextManager[AsyncClient]],
    *,
    budget: Budget,
    folder: Path,
    photos: Sequence[tuple[str, str]] = (),
    board: Board | None = None,
) -> Starlette:
    """Make the application.

    Args:
        connect: Makes the client, in the application's event loop.
        budget: The client's budget, shown on the page.
        folder: Where finished files go.
        photos: (image URL for the API, URL at which a browser can see it) of the photographs on offer.
        board: Where the jobs are, for whoever wants to close it early.

    Example:
        >>> from ideal_async.sandbox import Sandbox
        >>> sandbox, budget, board = Sandbox(), Budget(1000), Board()
        >>> app = create_app(
        ...     lambda: AsyncClient("sandbox", transport=sandbox.transport, budget=budget),
        ...     budget=budget,
        ...     folder=Path("videos"),
        ...     board=board,
        ... )
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with connect() as client, anyio.create_task_group() as tasks:
            app.state.demo = Demo(
                client=client, budget=budget, folder=folder, photos=photos, board=board or Board(), tasks=tasks
            )
            yield
            tasks.cancel_scope.cancel()

    def handled_by(name: str) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            answer: Response = await getattr(request.app.state.demo, name)(request)
            return answer

        return handle

    page = files("ideal_async.webdemo").joinpath("page.html").read_bytes()

    async def show_page(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=PAGE_HEADERS)

    async def explain(_: Request, error: Exception) -> Response:
        return JSONResponse({"detail": getattr(error, "detail", "")}, getattr(error, "status_code", 500))

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/start", handled_by("start")),
            Route("/account", handled_by("account")),
            Route("/videos", handled_by("order"), methods=["POST"]),
            Route("/events", handled_by("events")),
            Route("/files/{task:int}.{kind}", handled_by("file")),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: explain},
    )
