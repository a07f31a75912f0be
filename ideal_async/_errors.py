"""Every exception, one leaf per next action of the caller; the docstring of `ideal_async` draws the tree."""

from copy import copy
from datetime import datetime
from typing import Any, Self

from ._models import Task


def _revive(cls: type["IdealError"], args: tuple[Any, ...], state: dict[str, Any]) -> "IdealError":
    """Build an unpickled exception without calling its signature."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class IdealError(Exception):
    """Whatever goes wrong between a caller and the API.

    Attributes:
        task_id: The paid task this is about; `None` when there is none (yet).
    """

    def __init__(self, message: str, *, task_id: int | None = None) -> None:
        super().__init__(message)
        self.task_id = task_id

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)

    def about(self, task_id: int | None) -> Self:
        """Name the task this is about, unless one is named already."""
        if self.task_id is None:
            self.task_id = task_id
        return self

    def again(self) -> Self:
        """Make a duplicate without a traceback: one exception raised in many tasks would collect all of theirs."""
        duplicate = copy(self)
        duplicate.__cause__ = self.__cause__
        return duplicate


class ConnectionFailed(IdealError):
    """The API could not be reached: nothing was sent, or looks failed for `Retry.outage` seconds."""


class NotTheApi(ConnectionFailed):
    """Somebody between you and the API answered in its place: a gateway, a proxy, a portal. Nothing was created.

    Mend the base URL, the proxy or the network; the same request brings the same answer until then.

    Attributes:
        http_status: Of the answer.
        answered_by: Who says to have answered (the header `Server`, or `Via`); `None` if nobody does.
        excerpt: The beginning of what was said, without what may be secret.
    """

    def __init__(self, *, http_status: int, answered_by: str | None, excerpt: str, task_id: int | None = None) -> None:
        who = "somebody in between" if answered_by is None else f"somebody in between ({answered_by})"
        words = f": {excerpt}" if excerpt else " with nothing in it"
        super().__init__(
            f"{who} answered in place of the API, HTTP {http_status}{words}; check base_url, the proxy and the network",
            task_id=task_id,
        )
        self.http_status = http_status
        self.answered_by = answered_by
        self.excerpt = excerpt


class ApiError(IdealError):
    """The API said no.

    Attributes:
        code: The API's own code; see the vendor's page, Error Code Reference.
        message: The API's own words.
        http_status: Of the answer; the API may send errors with HTTP 200.
        retry_after: Seconds the API asked to wait, if it did.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        http_status: int,
        retry_after: float | None = None,
        task_id: int | None = None,
    ) -> None:
        super().__init__(f"{message} (code {code}, HTTP {http_status})", task_id=task_id)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """5002 API_KEY_INVALID: the key is missing or wrong."""


class InvalidRequest(ApiError):
    """1011 PARAM_ERROR: the API does not accept these parameters."""


class OutOfCredits(ApiError):
    """9051 COINS_NOT_ENOUGH: the account has too few credits."""


class ContentRejected(ApiError):
    """9010 SCAN_TEXT_ERROR (or 9038 PROHIBITED_CONTENT on submit): the content was refused, nothing was charged."""


class RequestFailed(ApiError):
    """1001 FAILED: the API's generic error; its message says more."""


class ServerError(ApiError):
    """1003 INTERNAL_ERROR, or an HTTP 5xx without the API's envelope (then `code` is the HTTP status)."""


class RateLimited(ApiError):
    """HTTP 429: too many requests."""


class UnexpectedAnswer(IdealError):
    """The answer to a look breaks the vendor's contract.

    Attributes:
        problems: What is wrong and where, such as `"required field missing @ $.data.status"`.
        http_status: Of the answer.
        excerpt: The beginning of the answer, without what may be secret.
    """

    def __init__(self, problems: list[str], *, http_status: int, excerpt: str = "", task_id: int | None = None) -> None:
        super().__init__(f"unexpected answer (HTTP {http_status}): {'; '.join(problems)}", task_id=task_id)
        self.problems = problems
        self.http_status = http_status
        self.excerpt = excerpt


class SubmissionUnknown(IdealError):
    """The request was sent and no usable answer came: it may have been paid, so it is never sent again for you.

    Look for a task of this fingerprint and time in your account (the vendor's dashboard or support). If there is none,
    send it again: without a journal just call again, with one call `journal.release(key)` first.

    Attributes:
        key: The caller's idempotency key, if one was given.
        fingerprint: Of the request (image URLs without their query strings).
        sent_at: When the request left, in UTC.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str | None,
        fingerprint: str,
        sent_at: datetime,
        task_id: int | None = None,
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.key = key
        self.fingerprint = fingerprint
        self.sent_at = sent_at


class TaskFailed(IdealError):
    """The task ended without a video.

    Attributes:
        task: The last look; `None` if the API answered 9038 (prohibited content) instead of a task.
        reason: What is known about why.
        refunded: The service promises its credits back (`Failed`, and 9038); `None`: it says nothing of that, so they
            stay counted as spent.
    """

    def __init__(self, reason: str, *, task: Task | None, task_id: int) -> None:
        super().__init__(f"task {task_id} failed: {reason}", task_id=task_id)
        self.task = task
        self.reason = reason
        self.refunded = True if task is None else task.refunded

    @classmethod
    def of(cls, task: Task) -> Self:
        """Return the error of a task that ended without a video."""
        credits_ = "the credits are refunded" if task.refunded else "whether its credits come back is not known"
        return cls(f"the service says {task.status}; {credits_}", task=task, task_id=task.id)


class WaitTimeout(IdealError):
    """The deadline passed before the task's end was seen; what is paid stays paid: wait for the same id again.

    Attributes:
        task: The last look, if there was one.
    """

    def __init__(self, timeout: float, *, task_id: int, task: Task | None = None, paid: bool = False) -> None:
        seconds = f"{max(0.0, timeout):g} s"
        seen = (
            f"was not seen within {seconds}"
            if task is None
            else f"still runs after {seconds} (last seen {task.status} at {task.percentage} %)"
        )
        known = "it is paid, so " if paid or task is not None else ""
        super().__init__(f"task {task_id} {seen}; {known}wait for this id again", task_id=task_id)
        self.task = task


class BudgetExceeded(IdealError):
    """The budget does not cover this request; nothing was sent.

    Attributes:
        needed: Credits this request costs.
        left: Credits the budget still has.
    """

    def __init__(self, *, needed: int, left: int) -> None:
        super().__init__(f"{needed} credits needed, {left} left in the budget: nothing was sent")
        self.needed = needed
        self.left = left


class JournalFailed(IdealError):
    """The journal could not be read or written.

    Before the request was sent `task_id` is `None` and nothing was spent; afterwards `task_id` is the paid task, which
    then is recorded nowhere else.
    """


class UploadFailed(IdealError):
    """A photograph could not be published, so its request was not sent, and nothing was spent.

    Attributes:
        path: Of the photograph, if it is known.
    """

    def __init__(self, message: str, *, path: str | None = None, task_id: int | None = None) -> None:
        super().__init__(message, task_id=task_id)
        self.path = path


class DownloadFailed(IdealError):
    """The file is not complete; calling again resumes it.

    Attributes:
        path: Where the file should have come to stand.
        received: Bytes that are kept for the next call.
        http_status: Of the last answer, if that was not the file.
    """

    def __init__(
        self, message: str, *, path: str, received: int, task_id: int | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(message, task_id=task_id)
        self.path = path
        self.received = received
        self.http_status = http_status
