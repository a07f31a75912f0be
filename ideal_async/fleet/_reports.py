"""What is said about chunks and batches, in numbers that add up; written so that two versions understand each other."""

import json
from collections.abc import Iterable
from typing import Any, Literal, Self

import attrs

from ideal_async import (
    BudgetExceeded,
    ConnectionFailed,
    IdealError,
    JournalFailed,
    NotTheApi,
    Outcome,
    OutOfCredits,
    RateLimited,
    ServerError,
    SubmissionUnknown,
    TaskFailed,
    Unauthorized,
    UploadFailed,
)

#: Of what goes through an engine and into the reports. A newer one says things that this version must not guess.
VERSION = 1

Counted = Literal["made", "unsaved", "failed", "refused", "unknown", "unfinished", "not_tried"]
#: Where nothing further can succeed until somebody has done something about it.
_STOPS = (BudgetExceeded, OutOfCredits, Unauthorized)
#: What ends by itself.
_PASSES = (ConnectionFailed, JournalFailed, RateLimited, ServerError, UploadFailed, OSError)


class NewerVersion(Exception):
    """Somebody who speaks a later version has written this: a worker of that version is needed.

    Example:
        >>> try:
        ...     Chunk.read({"v": 2, "batch": "spring", "first": 0, "last": 100})
        ... except NewerVersion as error:
        ...     print(error)
        a chunk of version 2 was written by a newer ideal_async, this worker knows 1: upgrade it
    """


def _read(payload: Any, what: str) -> dict[str, Any]:
    """Check who wrote something.

    Raises:
        NewerVersion: A later version did.
    """
    version = payload["v"]
    if version > VERSION:
        raise NewerVersion(
            f"{what} of version {version} was written by a newer ideal_async, this worker knows {VERSION}: upgrade it"
        )
    return dict(payload)


@attrs.frozen
class Chunk:
    """A part of a batch, all that an engine has to carry: the jobs from *first* to before *last*.

    Example:
        >>> Chunk("spring", 0, 100).write()
        {'v': 1, 'batch': 'spring', 'first': 0, 'last': 100}
    """

    batch: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """Jobs in it."""
        return self.last - self.first

    def write(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {"v": VERSION, **attrs.asdict(self)}

    @classmethod
    def read(cls, payload: Any) -> Self:
        """Read it; what a later version added is left out.

        Raises:
            NewerVersion: It cannot be understood.
        """
        known = _read(payload, "a chunk")
        return cls(known["batch"], known["first"], known["last"])


@attrs.frozen
class Report:
    """What became of a chunk, or of a whole batch; every job is counted once.

    Attributes:
        jobs: In all.
        made: Made, and saved if they were to be.
        unsaved: Made and paid, but not saved.
        failed: Ended without a video; *credits* counts those that the service does not promise to refund.
        refused: Nothing was created, and nothing would be if it were tried again as it is.
        unknown: Sent, and no answer came: they may have been paid.
        unfinished: Paid, and not seen to end.
        running: Paid, and being made now.
        waiting: To be tried yet.
        not_tried: Nothing was sent, and nothing will be: *reason* says why.
        credits: What it has cost by the price table: of all jobs that are, or may be, paid.
        reason: Why jobs were not tried, or else what went wrong with one of them; empty if nothing did.
        stops: The rest of the batch need not be tried either.
        again: Seconds after which to run the chunk again; `None`: this is final.

    Example:
        >>> report = Report(100, made=97, failed=3, credits=970, reason="the picture is too dark")
        >>> report.complete, report.again
        (False, None)
        >>> Report.read(report.write()) == report
        True
    """

    jobs: int
    made: int = 0
    unsaved: int = 0
    failed: int = 0
    refused: int = 0
    unknown: int = 0
    unfinished: int = 0
    running: int = 0
    waiting: int = 0
    not_tried: int = 0
    credits: int = 0
    reason: str = ""
    stops: bool = False
    again: float | None = None

    @property
    def complete(self) -> bool:
        """Every job is made, and saved if it was to be."""
        return self.made == self.jobs

    def write(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {"v": VERSION, **attrs.asdict(self, filter=lambda _, value: bool(value))}

    @classmethod
    def read(cls, payload: Any) -> Self:
        """Read it; what a later version added is left out.

        Raises:
            NewerVersion: It cannot be understood.
        """
        known = _read(payload, "a report")
        return cls(**{field.name: known[field.name] for field in attrs.fields(cls) if field.name in known})

    @classmethod
    def load(cls, text: str) -> Self:
        """Read it as it is kept in the database."""
        return cls.read({"jobs": 0, **json.loads(text)})

    def dump(self) -> str:
        """Write it as it is kept in the database."""
        return json.dumps(self.write())


def add_up(reports: Iterable[Report], jobs: int, *, over: bool) -> Report:
    """Tell how a batch stands from what was reported of its chunks.

    Args:
        reports: Of chunks that were begun.
        jobs: Of the batch.
        over: Nobody works on it any more, so what waits is not tried.
    """
    known = list(reports)
    sums = {name: sum(getattr(report, name) for report in known) for name in _COUNTED}
    rest = jobs - sum(report.jobs for report in known) + sums.pop("waiting")
    if over:  # what was seen running last has nobody who would see its end
        sums["unfinished"] += sums.pop("running")
        sums["not_tried"] += rest
        rest = 0
    stopped = next((report.reason for report in known if report.stops), "")
    reason = stopped or next((report.reason for report in known if report.reason), "")
    return Report(jobs, **sums, waiting=rest, reason=reason, stops=bool(stopped))


_COUNTED = (
    *("made", "unsaved", "failed", "refused", "unknown", "unfinished"),
    *("running", "waiting", "not_tried", "credits"),
)


def counted_as(outcome: Outcome) -> Counted:
    """Tell what became of a job."""
    if outcome.task is not None:
        return "made" if outcome.error is None else "unsaved"
    match outcome.error:
        case TaskFailed():
            return "failed"
        case SubmissionUnknown():
            return "unknown"
        case IdealError(task_id=int()):
            return "unfinished"
        case error:
            return "not_tried" if isinstance(error, (*_STOPS, *_PASSES)) else "refused"


def passes(error: Exception | None) -> bool:
    """Tell whether an obstacle goes away by itself, so that trying again later is worth it."""
    return isinstance(error, (*_PASSES, TimeoutError)) and not isinstance(error, (*_STOPS, NotTheApi))
