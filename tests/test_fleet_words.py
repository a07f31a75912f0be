"""What a fleet keeps of requests, and what it says about them: words that another host, or a later version, reads."""

import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from fakes import ROOM

import ideal_async
from ideal_async import (
    BudgetExceeded,
    ConnectionFailed,
    Failed,
    ImageToVideo,
    InvalidRequest,
    JournalFailed,
    Made,
    NotTheApi,
    OutOfCredits,
    SubmissionUnknown,
    Task,
    TaskFailed,
    Unsaved,
    UploadFailed,
    WaitTimeout,
)
from ideal_async.fleet import Chunk, NewerVersion, Ranges, Report
from ideal_async.fleet._items import check_name, read_items, read_request, write_request
from ideal_async.fleet._reports import add_up, counted_as, passes

TASK = Task(1, "Success")


class InBucket:
    """As a name in a bucket."""

    address = "https://photos.example/tour/room.jpg"


def room(url: Any = "https://example.com/room.jpg", **more: Any) -> ImageToVideo:
    return ImageToVideo(url, duration=5, resolution="480p", **more)


async def keep(requests: Any, name: str = "spring", **more: Any) -> tuple[str, list[str]]:
    digest, items = await read_items(name, requests, **{"keep_queries": False, **more})
    return digest, [key for key, _ in items]


@pytest.mark.anyio
async def test_keys_hold_for_ever() -> None:
    """Those that are given stay; the others are the name and the place, in every run."""

    async def later() -> AsyncIterator[Any]:
        yield "kitchen", ROOM
        yield None, ROOM
        yield ROOM

    digest, keys = await keep(later())
    assert keys == ["kitchen", "spring/1", "spring/2"]
    assert (digest, keys) == await keep([("kitchen", ROOM), ROOM, (None, ROOM)])
    assert digest != (await keep([ROOM, ROOM, ROOM]))[0]
    assert digest != (await keep([("kitchen", ROOM), ROOM, room()]))[0]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("requests", "error", "words"),
    [
        ([], ValueError, "no requests"),
        ([ROOM, ("spring/0", ROOM)], ValueError, "requests 0 and 1 have the same key, 'spring/0'"),
        ([("", ROOM)], ValueError, "request 0 has the key ''"),
        ([("a\0b", ROOM)], ValueError, "a key is text"),
        ([("a", "https://example.com/room.jpg")], TypeError, "request 0 must be an ImageToVideo"),
        (["https://example.com/room.jpg"], TypeError, "not str"),
        ([room(Path("room.jpg"))], ValueError, r"request 0: image_url is on this machine.*bucket.publish"),
        ([room(last_image_url=Path("room.jpg"))], ValueError, "last_image_url is on this machine"),
        ([room("https://example.com/room.jpg?Signature=abc")], ValueError, "image_url .*room.jpg has a query"),
        ([room("https://me:secret@example.com/room.jpg")], ValueError, "keep_queries=True"),
        ([ROOM, room("https://example.com/room.jpg#top")], ValueError, "request 1"),
    ],
)
async def test_what_other_hosts_could_not_send_is_refused(requests: Any, error: type[Exception], words: str) -> None:
    """When it is ordered, and with what mends it; a secret is not repeated."""
    with pytest.raises(error, match=words) as caught:
        await keep(requests)
    assert "abc" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.anyio
async def test_signatures_do_not_make_another_batch() -> None:
    """Whoever keeps them may start the same batch again with new ones."""
    first, second = ([room(f"https://example.com/room.jpg?Signature={one}")] for one in "ab")
    assert await keep(first, keep_queries=True) == await keep(second, keep_queries=True)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201, None, 5])
def test_a_batch_has_a_name(name: Any) -> None:
    """It is the name of a workflow, too."""
    with pytest.raises(ValueError, match="printable characters"):
        check_name(name)
    assert check_name("tour/spring") == "tour/spring"


@pytest.mark.parametrize(
    "request_",
    [
        ROOM,
        room(prompt="Zoom\0 in ✓", model_type="Base", generate_audio=True),
        room(InBucket(), last_image_url=InBucket()),
        room(last_image_url=InBucket()),
        room("https://example.com/room.jpg?x=1"),
    ],
)
def test_a_request_is_read_as_it_was_written(request_: ImageToVideo) -> None:
    """Names in buckets stay such: the worker signs them. What a later version adds is left out."""
    text = write_request(request_, 0, keep_queries=True)
    again = read_request(json.dumps({**json.loads(text), "color": "blue"}))
    assert again == request_
    assert again.fingerprint == request_.fingerprint
    for name in ("image_url", "last_image_url"):
        assert getattr(getattr(again, name), "path", None) == getattr(getattr(request_, name), "path", None)


DOUBT = SubmissionUnknown("?", key=None, fingerprint="", sent_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("why", "counted", "goes_away"),
    [
        (TaskFailed("no", task=None, task_id=1), "failed", False),
        (DOUBT, "unknown", False),
        (WaitTimeout(1, task_id=1), "unfinished", False),
        (ConnectionFailed("looks", task_id=1), "unfinished", True),
        (ConnectionFailed("away"), "not_tried", True),
        (JournalFailed("away"), "not_tried", True),
        (UploadFailed("away"), "not_tried", True),
        (OSError("no threads"), "not_tried", True),
        (NotTheApi(http_status=404, answered_by=None, excerpt=""), "not_tried", False),
        (BudgetExceeded(needed=1, left=0), "not_tried", False),
        (OutOfCredits(9051, "no", http_status=200), "not_tried", False),
        (InvalidRequest(1011, "no", http_status=200), "refused", False),
        (ValueError("poison"), "refused", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_end_is_counted_once(why: Exception, counted: str, goes_away: bool) -> None:
    """By what is to be done about it; what goes away by itself is tried again."""
    outcome = Failed(0, None, ROOM, error=why)
    assert counted_as(outcome) == counted
    assert passes(why) is goes_away


def test_what_is_made() -> None:
    """With its file, or without."""
    assert counted_as(Made(0, None, ROOM, task_id=1, task=TASK)) == "made"
    assert counted_as(Unsaved(0, None, ROOM, task_id=1, task=TASK, error=OSError())) == "unsaved"
    assert not passes(None)
    assert passes(TimeoutError())


def test_reports_add_up() -> None:
    """While it runs, what nobody has begun waits; when nobody works on it any more, it is not tried."""
    reports = [
        Report(10, made=8, failed=1, unsaved=1, credits=90),
        Report(10, made=2, running=3, waiting=5, reason="x"),
    ]
    assert add_up(reports, 25, over=False) == Report(
        25, made=10, failed=1, unsaved=1, running=3, waiting=10, credits=90, reason="x"
    )
    over = add_up([*reports, Report(2, not_tried=2, reason="budget", stops=True)], 25, over=True)
    assert over == Report(
        25, made=10, failed=1, unsaved=1, unfinished=3, not_tried=10, credits=90, reason="budget", stops=True
    )
    assert not over.complete
    assert Report(2, made=2).complete


def test_words_of_two_versions() -> None:
    """What is added is left out; what cannot be understood says which worker is needed."""
    report = Report(10, made=8, not_tried=2, reason="budget", stops=True, credits=80)
    assert Report.load(report.dump()) == report
    assert Report.read({**report.write(), "later": 1}) == report
    assert Report.load("{" + '"v": 1' + "}") == Report(0)
    chunk = Chunk("spring", 0, 10)
    assert Chunk.read({**chunk.write(), "later": 1}) == chunk
    assert chunk.size == 10
    for read in (Chunk.read, Report.read):
        with pytest.raises(NewerVersion, match="upgrade it"):
            read({"v": 2})


def test_parts_are_cut_into_chunks() -> None:
    """The last one may be smaller."""
    chunks = Ranges("a", 10, [(0, 25), (30, 31)]).cut()
    assert [(chunk.first, chunk.last) for chunk in chunks] == [(0, 10), (10, 20), (20, 25), (30, 31)]


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("celery", "celery", "celery"),
        ("fleet", "ideal_async.postgres", "postgres"),
        ("temporal", "temporalio", "temporal"),
    ],
)
def test_a_missing_extra_is_named(name: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports it learns what to install."""
    file = Path(ideal_async.__file__).parent / name / "__init__.py"
    spec = spec_from_file_location("ideal_async.without", file)
    assert spec is not None
    assert spec.loader is not None
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"pip install 'ideal-async\[{extra}\]'"):
        spec.loader.exec_module(module_from_spec(spec))
