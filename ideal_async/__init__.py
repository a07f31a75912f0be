"""Photographs to videos from asyncio and trio, paid for once."""

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
