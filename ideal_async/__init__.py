"""Photographs to videos from asyncio and trio, paid for once.

For whoever maintains it, the map; a room imports only from lower floors, and `tests/test_architecture.py` checks that:

    outside    cli  buckets  postgres  opentelemetry  fast  webdemo  pytest_plugin      stand on the public face
    face       _client  _batch            what users call
    money      _submissions  _flight      one key, one flight: who sends, and who waits for it
               _books                     what became of each request and its credits, from intent to end
               _follow  _delivery         paid tasks are waited for, and delivered
    hands      _session  _answers         one call, one answer: who spoke, and what it means for money
               _transports                which way out, and which of its failures prove that nothing was sent
               _poller  _watched          one clock for all ids; knows no HTTP
               _journal                   the contract of a store, and the one in a file
               _download  _attempt  _part the disk
               _background                the client's own task, which outlives its callers
    rules      _forecast  _schedule       when to look next; what is due when
               _wire  _retry  _pricing    the vendor's JSON; what is sent again; what it costs
    values     _models  _errors  _identity
    apart      sandbox                    the whole service, an independent witness

Its words: a *purchase* is one request and its money. A *flight* is one request on its way, with all its *claims*, the
callers that wait for it. An *intent* is the journal's permission to send once; a *doubt* (state `unknown`) is what was
sent and not answered. A *look* is one GET, a *brake* slows every request, an *outage* is trouble that ends by itself.
The *agenda* says what is due when, an *expert* predicts the end of a task, a *scout* is a task of a burst that is
looked at early for the others. *Not sent*, *maybe sent* and *answered* are all that the rules know of a POST.
"""

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
from ._forecast import Pacing
from ._identity import redact_url
from ._models import Eta, ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput
from ._names import safe_name
from ._observer import Observer
from ._pricing import PRICES, Budget, Ledger, Prices, estimate
from ._retry import Retry

#: What a client alone does not need, and the room it comes from at its first use: the journal brings SQLite along.
_LATER = {
    "Busy": "_journal",
    "Cap": "_journal",
    "Entry": "_journal",
    "Intent": "_journal",
    "Journal": "_journal",
    "JournalStore": "_journal",
    "Failed": "_batch",
    "Made": "_batch",
    "Outcome": "_batch",
    "Outcomes": "_batch",
    "Progress": "_progress",
    "Unsaved": "_batch",
    "batch": "_batch",
    "is_result": "_part",
    "resume": "_batch",
}

if TYPE_CHECKING:
    from ._batch import Failed, Made, Outcome, Outcomes, Unsaved, batch, resume
    from ._journal import Busy, Cap, Entry, Intent, Journal, JournalStore
    from ._part import is_result
    from ._progress import Progress
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
