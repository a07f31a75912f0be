"""Photographs to videos from asyncio and trio, paid for once."""

from ._batch import Outcome, Outcomes, Submission, batch, resume
from ._client import AsyncClient
from ._entries import Entry
from ._errors import (
    ApiError,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    DownloadFailed,
    IdealError,
    InvalidRequest,
    JournalFailed,
    OutOfCredits,
    RateLimited,
    RequestFailed,
    ServerError,
    SubmissionUnknown,
    TaskFailed,
    Unauthorized,
    UnexpectedAnswer,
    WaitTimeout,
)
from ._journal import Journal
from ._models import Eta, ImageToVideo, Task, TaskInput, TaskStatus, VideoOutput
from ._observer import Observer
from ._pacing import Pacing
from ._pricing import PRICES, Budget, Ledger, Prices, estimate
from ._retry import Retry

__version__ = "0.1.0"

__all__ = [
    "PRICES",
    "ApiError",
    "AsyncClient",
    "Budget",
    "BudgetExceeded",
    "ConnectionFailed",
    "ContentRejected",
    "DownloadFailed",
    "Entry",
    "Eta",
    "IdealError",
    "ImageToVideo",
    "InvalidRequest",
    "Journal",
    "JournalFailed",
    "Ledger",
    "Observer",
    "OutOfCredits",
    "Outcome",
    "Outcomes",
    "Pacing",
    "Prices",
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
    "VideoOutput",
    "WaitTimeout",
    "batch",
    "estimate",
    "resume",
]
