"""The exceptions: one leaf per next action, each with what the caller needs for it."""

import copy
import pickle
from datetime import UTC, datetime

import pytest

import ideal_async
from ideal_async import (
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
    Task,
    TaskFailed,
    TaskStatus,
    Unauthorized,
    UnexpectedAnswer,
    UploadFailed,
    WaitTimeout,
)

TASK = Task(7, TaskStatus.FAILED, raw={"why": "unknown"})
NOON = datetime(2026, 3, 25, 12, tzinfo=UTC)
EXAMPLES: list[IdealError] = [
    IdealError("something", task_id=7),
    ConnectionFailed("no route"),
    NotTheApi(http_status=403, answered_by="nginx", excerpt="<html>", task_id=7),
    *(
        cls(code, "the API's words", http_status=200, retry_after=1.5, task_id=7)
        for cls, code in [
            (ApiError, 7777),
            (Unauthorized, 5002),
            (InvalidRequest, 1011),
            (OutOfCredits, 9051),
            (ContentRejected, 9010),
            (RequestFailed, 1001),
            (ServerError, 1003),
            (RateLimited, 429),
        ]
    ),
    UnexpectedAnswer(["required field missing @ $.data.status"], http_status=200, excerpt='{"code":', task_id=7),
    SubmissionUnknown("maybe paid", key="order-42", fingerprint="0123456789abcdef", sent_at=NOON),
    TaskFailed("the service says Failed", task=TASK, task_id=7),
    WaitTimeout(600.0, task_id=7, task=Task(7, "Processing", 30)),
    BudgetExceeded(needed=20, left=10),
    JournalFailed("disk full", task_id=7),
    DownloadFailed("broken off", path="room.mp4", received=5, task_id=7),
    UploadFailed("no such bucket", path="room.jpg"),
]


def test_there_is_an_example_of_every_exception() -> None:
    """So that the tests below hold for all of them."""
    public = {
        value for value in vars(ideal_async).values() if isinstance(value, type) and issubclass(value, IdealError)
    }
    assert {type(error) for error in EXAMPLES} == public


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("duplicate", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])  # noqa: S301
def test_every_exception_survives_a_pickle(error: IdealError, duplicate: object) -> None:
    """Process pools and task queues pickle what a worker raises: message, attributes, notes and all."""
    assert callable(duplicate)
    noted = copy.copy(error)
    noted.add_note("from worker 3")
    again = duplicate(noted)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == noted.__dict__
    assert again.__notes__ == ["from worker 3"]


@pytest.mark.parametrize(
    ("cls", "parent"),
    [
        *((cls, IdealError) for cls in (ConnectionFailed, ApiError, UnexpectedAnswer, SubmissionUnknown, TaskFailed)),
        *((cls, IdealError) for cls in (WaitTimeout, BudgetExceeded, JournalFailed, DownloadFailed, UploadFailed)),
        (NotTheApi, ConnectionFailed),
        *((cls, ApiError) for cls in (Unauthorized, InvalidRequest, OutOfCredits, ContentRejected)),
        *((cls, ApiError) for cls in (RequestFailed, ServerError, RateLimited)),
    ],
)
def test_the_tree_has_two_levels(cls: type[IdealError], parent: type[IdealError]) -> None:
    """No leaf is caught by accident with another one."""
    assert cls.__bases__ == (parent,)


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_exception_can_be_asked_for_its_task(error: IdealError) -> None:
    """`.task_id` is there on all of them, `None` where there is no task."""
    assert error.task_id in (7, None)


def test_an_error_is_about_the_first_task_it_was_named() -> None:
    """Whoever knows better spoke first."""
    error = ConnectionFailed("no route")
    assert error.about(1) is error
    assert error.about(2).task_id == 1


def test_a_duplicate_keeps_the_cause_and_nothing_of_the_traceback() -> None:
    """What many callers are told is told to each of them alone."""
    original = ConnectionFailed("no route")
    try:
        raise original from OSError("unplugged")
    except ConnectionFailed:
        own = original.again()
    assert own is not original
    assert str(own) == str(original)
    assert own.__cause__ is original.__cause__ is not None
    assert own.__traceback__ is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Unauthorized(5002, "Invalid API Key", http_status=401), "Invalid API Key (code 5002, HTTP 401)"),
        (
            UnexpectedAnswer(["a @ $.b", "c @ $.d"], http_status=502),
            "unexpected answer (HTTP 502): a @ $.b; c @ $.d",
        ),
        (TaskFailed("prohibited content", task=None, task_id=7), "task 7 failed: prohibited content"),
        (
            WaitTimeout(600.0, task_id=7),
            "task 7 was not seen within 600 s; wait for this id again",
        ),
        (
            WaitTimeout(-1, task_id=7, paid=True),
            "task 7 was not seen within 0 s; it is paid, so wait for this id again",
        ),
        (
            WaitTimeout(0.5, task_id=7, task=Task(7, TaskStatus.PROCESSING, 30)),
            "task 7 still runs after 0.5 s (last seen Processing at 30 %); it is paid, so wait for this id again",
        ),
        (
            NotTheApi(http_status=404, answered_by="nginx", excerpt="<h1>Not found</h1>"),
            (
                "somebody in between (nginx) answered in place of the API, HTTP 404: <h1>Not found</h1>; "
                "check base_url, the proxy and the network"
            ),
        ),
        (
            NotTheApi(http_status=204, answered_by=None, excerpt=""),
            (
                "somebody in between answered in place of the API, HTTP 204 with nothing in it; "
                "check base_url, the proxy and the network"
            ),
        ),
        (BudgetExceeded(needed=20, left=10), "20 credits needed, 10 left in the budget: nothing was sent"),
    ],
)
def test_a_message_says_what_happened_and_what_to_do(error: IdealError, words: str) -> None:
    """Whoever reads only the last line of a traceback knows."""
    assert str(error) == words
