"""Photographs to videos from asyncio and trio, paid for once.

Here is the whole of it, offline; with the real service it is `AsyncClient()` and the key in IDEAL_HOUSE_API_KEY:

    >>> import anyio
    >>> from ideal_async import AsyncClient, ImageToVideo, Pacing, estimate
    >>> from ideal_async.sandbox import Sandbox
    >>> room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p", prompt="Gentle zoom in")
    >>> async def main():
    ...     with Sandbox(speed=1000, render=False) as sandbox:
    ...         quick = Pacing().accelerated(1000)
    ...         async with AsyncClient("sandbox", transport=sandbox.transport, pacing=quick) as client:
    ...             task = await client.generate(room, key="order-42", timeout=600)
    ...             return task.status, task.output.width, estimate(room)
    >>> anyio.run(main)
    (<TaskStatus.SUCCESS: 'Success'>, 854, 10)

Guides: money, waiting, batches, web backends, notebooks, errors, and mocks are below. Elsewhere:
`ideal_async.buckets` (photographs in, videos out), `ideal_async.postgres` (many hosts), `ideal_async.fleet`,
`ideal_async.temporal` and `ideal_async.celery` (batches on a fleet of workers), `ideal_async.pytest_plugin` (testing),
`ideal_async.sandbox` (the service offline, and the language of its faults), `ideal_async.opentelemetry`,
`ideal_async.fast`, `ideal_async.webdemo`, and `ideal_async.typing` (the words that may be written, for annotations).

# Money

Credits are charged when a task is created, and the service gives them back when it fails. `estimate` tells a price
before anything is spent, from the vendor's table (`PRICES`; another one is a `Prices`). A `Budget` is a limit for one
client or several, also over restarts: `Budget(500, since)`; `client.ledger` is a `Ledger` of what was reserved, spent,
given back, and what nobody knows of.

    >>> from ideal_async import Budget, Ledger, Prices
    >>> estimate(room, prices=Prices(date="2027-01-01", credits={("Flash", False, "480p", 5): 8}))
    8
    >>> async def spend(sandbox: Sandbox) -> Ledger:
    ...     async with AsyncClient("sandbox", transport=sandbox.transport, budget=Budget(10)) as client:
    ...         await client.submit(room)
    ...         return client.ledger
    >>> anyio.run(spend, Sandbox(render=False))
    Ledger(reserved=0, spent=10, refunded=0, unknown=0)

The API has no idempotency key. A request is sent again only when it certainly was not received; one whose answer was
lost raises `SubmissionUnknown` and is never repeated behind your back. A *key* of your own holds that across callers,
and with a `Journal` across crashes, restarts and processes:

| under the key there is | the next submit |
|---|---|
| nothing, or a refusal | is sent |
| a task that runs, or has succeeded | waits for it, or gives it back; pays nothing |
| a task that failed | raises `TaskFailed`; `journal.release(key, task_id=error.task_id)` allows another |
| a doubt | raises `SubmissionUnknown`, until `client.adopt(key, task_id)` or `journal.release(key)` |

Look into the account before you end a doubt; in a shell `ideal-async journal adopt` and `release` do the same. A task
that ends with another word than `TaskStatus.FAILED` ("Cancelled", say) counts as spent: nobody promises its credits
back.

`client.lookup(key)` asks the journal only, and gives an `Entry`. A journal of your own making fulfils `JournalStore`:
it answers a request to send with an `Intent`, a `Busy` or an `Entry`, within a `Cap` in credits.

    >>> from ideal_async import Busy, Cap, Entry, Intent, Journal, JournalStore
    >>> def in_doubt(journal: JournalStore) -> list[Entry]:
    ...     return list(journal.entries("unknown"))
    >>> with Journal("orders.journal") as journal:
    ...     in_doubt(journal)
    []
    >>> def may_send(answer: Intent | Busy | Entry) -> bool:
    ...     return isinstance(answer, Intent)
    >>> may_send(Busy(seconds=2.0, reason="eight requests are on their way"))
    False
    >>> from datetime import UTC, datetime
    >>> Cap(500, since=datetime(2027, 1, 1, tzinfo=UTC)).check_price("order-42", 20)
    20

# Waiting

All waiting of a client goes through one poller. It learns from percentages, queues and finished tasks when a task will
end, and looks just after, never more often than `Pacing.min_interval`; `Retry` says how long it rides out an outage.
Each look is a `Task`: its `TaskStatus`, `TaskInput`, and in the end its `VideoOutput`; its `Eta` is a forecast. Any
number of callers may wait for one id, and a cancelled one leaves: the task goes on, and can be waited for again.

    >>> from ideal_async import Eta, Task, TaskInput, TaskStatus, VideoOutput
    >>> task = Task(7, TaskStatus.PROCESSING, percentage=40, input=TaskInput(duration=5), eta=Eta(30.0, "percentage"))
    >>> task.done, task.eta.seconds
    (False, 30.0)
    >>> Task(7, TaskStatus.SUCCESS, output=VideoOutput("https://cdn.example/7.mp4")).output
    VideoOutput(result_url='https://cdn.example/7.mp4', cover=None, width=None, height=None)

An HTTP cache beneath a client would never let a wait end: it answers every look with what it has seen first. Looks say
`Cache-Control: no-cache`, and answers whose `Age` grows while nothing changes are reported once in the log.

# Batches

`batch` takes any iterable of requests or `(key, request)` pairs, sends a bounded number, and gives the `Outcomes` as
they complete: each is a `Made`, an `Unsaved` or a `Failed` `Outcome`. One failed job never stops the others; what no
further job could survive closes the intake (`outcomes.stopped_by`). `on_submit` hears a `Submission` as soon as a task
is paid, and `on_progress` a `Progress`. With a journal the same batch again goes on where it was, and `resume` takes up
whatever the journal has not seen the end of.

    >>> from ideal_async import Failed, Made, Outcomes, Progress, Submission, Unsaved, batch
    >>> def tell(progress: Progress) -> None:
    ...     print(progress.done, "made,", progress.failed, "failed,", progress.credits, "credits")
    >>> def keep(submission: Submission) -> None:
    ...     print(submission.key, "is task", submission.task_id)
    >>> async def read(outcomes: Outcomes) -> None:
    ...     async for outcome in outcomes:
    ...         match outcome:
    ...             case Made(file=file):
    ...                 print("made", file)
    ...             case Unsaved(error=error) | Failed(error=error):
    ...                 print(outcome.key, error)
    >>> async def make(client, rooms):
    ...     async with batch(client, rooms, save="videos", on_submit=keep, on_progress=tell) as outcomes:
    ...         await read(outcomes)

# In a web backend

One client for the process, opened in the lifespan, awaited by hundreds of handlers. A request that is cancelled only
stops waiting. With `follow=True` and a journal every paid task is seen to its end and delivered by `on_end`, by one
process of those that share the journal. Here with FastAPI, before a sandbox:

    >>> from contextlib import asynccontextmanager
    >>> from fastapi import FastAPI, Request
    >>> from ideal_async import AsyncClient, Entry, ImageToVideo, Journal
    >>> from ideal_async.sandbox import Sandbox
    >>> service = Sandbox(render=False).transport
    >>> async def deliver(entry: Entry) -> None:  # at least once a task
    ...     print(entry.key, entry.state, entry.task and entry.task.output)
    >>> @asynccontextmanager
    ... async def lifespan(app: FastAPI):
    ...     with Journal("web.journal") as journal:
    ...         options = {"journal": journal, "follow": True, "on_end": deliver}
    ...         async with AsyncClient("sandbox", transport=service, **options) as app.state.videos:
    ...             yield
    >>> app = FastAPI(lifespan=lifespan)
    >>> @app.post("/videos/{order}")
    ... async def make(order: str, url: str, request: Request):
    ...     room = ImageToVideo(url, duration=5, resolution="720p")
    ...     return {"task": await request.app.state.videos.submit(room, key=order)}
    >>> @app.get("/videos/{order}")
    ... async def show(order: str, request: Request):
    ...     entry = await request.app.state.videos.lookup(order)
    ...     return {"state": entry.state if entry else "unheard of"}

    >>> from fastapi.testclient import TestClient
    >>> with TestClient(app) as browser:
    ...     browser.post("/videos/order-7", params={"url": "https://example.com/room.jpg"}).json()
    ...     [browser.get(f"/videos/{order}").json()["state"] for order in ("order-7", "order-8")]
    {'task': 1234567890123456789}
    ['submitted', 'unheard of']

Complete applications for FastAPI, Starlette and Litestar are in `tests/recipes` of the repository, and with them
`sync_world.py` for code that is not asynchronous (a Celery task, a Django view, a script): one loop, one client, any
number of threads and forked workers. `ideal_async.webdemo` is a page to try.

# In a notebook

`await` works in a cell as it stands; one client serves the whole notebook. A finished task shows its video, an outcome
its video or its error, and a batch its progress: `bar = display(display_id=True)`, then `on_progress=bar.update`.

# Errors

One class for each thing you can do next; all are `IdealError`s, can be pickled, and name their `.task_id` once
something was paid:

    IdealError
    ├─ ConnectionFailed       the API could not be reached: check the network, call again
    │  └─ NotTheApi           somebody in between answered: mend base_url, proxy or network
    ├─ ApiError               the API said no; a code we do not know is this class itself
    │  ├─ Unauthorized        5002: mend the key
    │  ├─ InvalidRequest      1011: mend the request
    │  ├─ OutOfCredits        9051: top up
    │  ├─ ContentRejected     9010, and 9038 on submit: change the prompt or the picture
    │  ├─ RequestFailed       1001: read the message
    │  ├─ ServerError         1003, or an HTTP 5xx: try again later
    │  └─ RateLimited         HTTP 429: slow down
    ├─ UnexpectedAnswer       the answer to a look breaks the vendor's contract: report it
    ├─ SubmissionUnknown      sent, and no usable answer came: find out before paying again
    ├─ TaskFailed             the task ended without a video; `.refunded` tells what is known of its credits
    ├─ WaitTimeout            still running, still paid: wait again
    ├─ BudgetExceeded         nothing was sent: raise the budget
    ├─ JournalFailed          mend the disk; `.task_id` tells whether something was paid
    ├─ UploadFailed           mend the bucket or its keys; nothing was sent
    └─ DownloadFailed         call again, it resumes

Misuse is a `TypeError`, `ValueError` or `RuntimeError` with the fix in the message.

    >>> from ideal_async import *
    >>> def retry_later(error: IdealError) -> bool:
    ...     match error:
    ...         case NotTheApi() | Unauthorized() | InvalidRequest() | ContentRejected() | UnexpectedAnswer():
    ...             return False  # not before somebody has mended something
    ...         case OutOfCredits() | BudgetExceeded() | JournalFailed() | UploadFailed():
    ...             return False  # as above; nothing was paid, but for what a JournalFailed names
    ...         case SubmissionUnknown() | TaskFailed() | RequestFailed():
    ...             return False  # a person decides
    ...         case ConnectionFailed() | ServerError() | RateLimited() | WaitTimeout() | DownloadFailed():
    ...             return True
    ...         case ApiError():
    ...             return False
    ...     return False
    >>> retry_later(BudgetExceeded(needed=20, left=10))
    False

# Tracing and mocks

Whatever patches `httpx.AsyncClient` (Sentry, ddtrace, vcrpy before 8) sees every request, whenever it comes: requests
go through that class as soon as something has patched it, and past it otherwise, which is cheaper; `through_httpx=True`
sends them there always. What patches a transport of httpx (OpenTelemetry, logfire, respx, pytest-httpx, vcrpy 8) sees
them as it is. The looks of a wait belong to no caller, so they stand outside of the caller's trace.

A cassette keeps what it records: `filter_headers=["APIKEY"]`. Against a mocked service `Pacing(min_interval=0.01)` does
not wait for anybody. A mocked `httpx.ConnectError` is a doubt (`SubmissionUnknown`), for only a real transport can
prove that nothing was sent. With respx both look like this:

    >>> import anyio, httpx, respx
    >>> from ideal_async import AsyncClient, Pacing, SubmissionUnknown
    >>> video = {"id": 7, "status": "Success", "output": {"resultUrl": "https://cdn.example/7.mp4"}}
    >>> @respx.mock
    ... async def try_it() -> None:
    ...     paid = respx.post(path__regex="generate$").respond(json={"code": 0, "message": "success", "data": 7})
    ...     respx.get(path__regex="result$").respond(json={"code": 0, "message": "success", "data": video})
    ...     async with AsyncClient("any-key", pacing=Pacing(min_interval=0.01)) as client:
    ...         print((await client.generate(room)).output.result_url)
    ...         paid.mock(side_effect=httpx.ConnectError("mocked"))
    ...         try:
    ...             await client.submit(room)
    ...         except SubmissionUnknown:
    ...             print("it may have been paid")
    >>> anyio.run(try_it)
    https://cdn.example/7.mp4
    it may have been paid
"""

# For whoever maintains it, the map; a room imports only from lower floors (tests/test_architecture.py checks it):
#
#     outside    cli  buckets  postgres  opentelemetry  fast  webdemo  pytest_plugin      stand on the public face
#                fleet                      chunks of batches that many hosts do; on postgres
#                temporal  celery           what moves them
#     face       _client  _window  _batch   what users call
#                _assembly                  what a client is made of, joined
#                _looks                     what `fetch` sees
#     money      _submissions  _flight      one key, one flight: who sends, and who waits for it
#                _books                     what became of each request and its credits, from intent to end
#                _client_journal            the journal as one client asks it
#                _follow  _delivery         paid tasks are waited for, and delivered
#     hands      _session                   what may be sent now, and again
#                _exchange  _answers        one request, one answer: who spoke, and what it means for money
#                _transports                which way out, and which of its failures prove that nothing was sent
#                _poller  _watched          one clock for all ids; knows no HTTP
#                _journal                   the contract of a store, and the one in a file
#                _download  _attempt  _part the disk
#                _background                the client's own task, which outlives its callers
#     rules      _forecast  _schedule       when to look next; what is due when
#                _wire  _retry  _pricing    the vendor's JSON; what is sent again; what it costs
#     values     _models  _errors  _identity
#     apart      sandbox                    the whole service, an independent witness
#
# Its words: a *purchase* is one request and its money. A *flight* is one request on its way, with all its *claims*,
# the callers that wait for it. An *intent* is the journal's permission to send once; a *doubt* (state `unknown`) is
# what was sent and not answered. A *look* is one GET, a *brake* slows every request, an *outage* is trouble that ends
# by itself. The *agenda* says what is due when, an *expert* predicts the end of a task. *Not sent*, *maybe sent* and
# *answered* are all that the rules know of a POST.

import importlib
import sys
from typing import TYPE_CHECKING

from ._callbacks import Submission
from ._client import AsyncClient
from ._errors import (
    ApiError,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    DownloadFailed,
    IdealError,
    InvalidRequest,
    JournalFailed,
    NotTheApi,
    OutOfCredits,
    RateLimited,
    RequestFailed,
    ServerError,
    SubmissionUnknown,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
    UploadFailed,
    WaitTimeout,
)
from ._identity import redact_url
from ._models import Eta, ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput
from ._names import safe_name
from ._observer import Observer
from ._pricing import PRICES, Budget, Ledger, Prices, estimate
from ._retry import Retry

#: What is not needed before there is a client, or beside it, and the room it comes from at its first use: the journal
#: brings SQLite along.
_LATER = {
    "Busy": "_journal",
    "Cap": "_journal",
    "Entry": "_journal",
    "Intent": "_journal",
    "Journal": "_journal",
    "JournalStore": "_journal",
    "Failed": "_outcome",
    "Made": "_outcome",
    "Outcome": "_outcome",
    "Outcomes": "_window",
    "Pacing": "_forecast",
    "Progress": "_progress",
    "Unsaved": "_outcome",
    "batch": "_batch",
    "is_result": "_part",
    "resume": "_batch",
}

if TYPE_CHECKING:
    from ._batch import batch, resume
    from ._forecast import Pacing
    from ._journal import Busy, Cap, Entry, Intent, Journal, JournalStore
    from ._outcome import Failed, Made, Outcome, Unsaved
    from ._part import is_result
    from ._progress import Progress
    from ._window import Outcomes
else:  # not for a checker, which would believe any name

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        value = globals()[name] = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
        return value

    def __dir__() -> list[str]:
        return [*__all__, "__version__"]


__version__ = "0.1.0"

__all__ = [
    "PRICES",
    "ApiError",
    "AsyncClient",
    "Budget",
    "BudgetExceeded",
    "Busy",
    "Cap",
    "ConnectionFailed",
    "ContentRejected",
    "DownloadFailed",
    "Entry",
    "Eta",
    "Failed",
    "IdealError",
    "ImageToVideo",
    "Intent",
    "InvalidRequest",
    "Journal",
    "JournalFailed",
    "JournalStore",
    "Ledger",
    "Made",
    "NotTheApi",
    "Observer",
    "OutOfCredits",
    "Outcome",
    "Outcomes",
    "Pacing",
    "Prices",
    "Progress",
    "RateLimited",
    "RequestFailed",
    "Retry",
    "ServerError",
    "Submission",
    "SubmissionUnknown",
    "Task",
    "TaskFailed",
    "TaskInput",
    "TaskStatus",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unsaved",
    "UploadFailed",
    "VideoOutput",
    "WaitTimeout",
    "batch",
    "estimate",
    "is_result",
    "redact_url",
    "resume",
    "safe_name",
]
