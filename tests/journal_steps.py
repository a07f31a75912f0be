"""The steps of a key, as tests of any journal take them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ideal_async import Busy, Entry, ImageToVideo, Intent, JournalStore
from ideal_async._wire import read_task

API = "https://api.ideal.house:443"
SANDBOX = "http://127.0.0.1:8000"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p", prompt="Gentle camera zoom in")
HALL = ImageToVideo("https://example.com/hall.jpg", duration=5, resolution="720p")
MADE = read_task(
    {
        "id": 7,
        "status": "Success",
        "waitNumber": 0,
        "percentage": 100,
        "input": {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"},
        "output": {"resultUrl": "https://cdn.example/v.mp4", "cover": "https://cdn.example/c.jpg", "width": 1280},
        "tomorrow": {"field": [1, 2.5, None, True]},
    }
)
FAILED = read_task({"id": 7, "status": "Failed"})
CANCELLED = read_task({"id": 7, "status": "Cancelled"})
RUNNING = read_task({"id": 7, "status": "Processing"})


class Clock:
    """A calendar of our own: every look is one second later."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 25, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        self.time += timedelta(seconds=1)
        return self.time


def go(journal: JournalStore, key: str | None = "order", request: ImageToVideo = ROOM, origin: str = API) -> Intent:
    """Intend, and be told to go."""
    intent = journal.intend(origin, key, request, 20)
    assert isinstance(intent, Intent)
    return intent


def is_busy(journal: JournalStore, key: str = "order") -> bool:
    """Intend, and be told to wait."""
    return isinstance(journal.intend(API, key, ROOM, 20), Busy)


def ask(journal: JournalStore, key: str = "order", request: ImageToVideo = ROOM, origin: str = API) -> Entry:
    """Intend, and be told what is known instead."""
    entry = journal.intend(origin, key, request, 20)
    assert isinstance(entry, Entry)
    return entry


def submitted(journal: JournalStore) -> None:
    journal.submitted(go(journal), 7)


def succeeded(journal: JournalStore) -> None:
    submitted(journal)
    journal.settle(API, 7, MADE)


def failed(journal: JournalStore) -> None:
    submitted(journal)
    journal.settle(API, 7, FAILED, reason="no room in the picture")


def refused(journal: JournalStore) -> None:
    journal.refused(go(journal), "Insufficient credits (code 9051)")


def unknown(journal: JournalStore) -> None:
    journal.unknown(go(journal))


REACH: dict[str, Callable[[JournalStore], object]] = {
    "submitted": submitted,
    "succeeded": succeeded,
    "failed": failed,
    "refused": refused,
    "unknown": unknown,
}
