"""The journal: what each state of a key answers, and what stands in the file."""

import gc
import os
import pathlib
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from ideal_async import ImageToVideo, JournalFailed, Task
from ideal_async._journal import STATES, Busy, Entry, Intent, Journal
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
RUNNING = read_task({"id": 7, "status": "Processing"})


class Clock:
    """A calendar of our own: every look is one second later."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 25, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Tell the time."""
        self.time += timedelta(seconds=1)
        return self.time


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "orders.journal"


@pytest.fixture
def journal(path: pathlib.Path) -> Iterator[Journal]:
    with Journal(path, now=Clock()) as journal:
        yield journal


def go(journal: Journal, key: str | None = "order", request: ImageToVideo = ROOM, origin: str = API) -> Intent:
    """Intend, and be told to go."""
    intent = journal.intend(origin, key, request, 20)
    assert isinstance(intent, Intent)
    return intent


def is_busy(journal: Journal, key: str = "order") -> bool:
    """Intend, and be told to wait."""
    return isinstance(journal.intend(API, key, ROOM, 20), Busy)


def ask(journal: Journal, key: str = "order", request: ImageToVideo = ROOM, origin: str = API) -> Entry:
    """Intend, and be told what is known instead."""
    entry = journal.intend(origin, key, request, 20)
    assert isinstance(entry, Entry)
    return entry


def submitted(journal: Journal) -> None:
    journal.submitted(go(journal), 7)


def succeeded(journal: Journal) -> None:
    submitted(journal)
    journal.settle(API, 7, MADE)


def failed(journal: Journal) -> None:
    submitted(journal)
    journal.settle(API, 7, FAILED, reason="no room in the picture")


def refused(journal: Journal) -> None:
    journal.refused(go(journal), "Insufficient credits (code 9051)")


def unknown(journal: Journal) -> None:
    journal.unknown(go(journal))


REACH: dict[str, Callable[[Journal], object]] = {
    "submitted": submitted,
    "succeeded": succeeded,
    "failed": failed,
    "refused": refused,
    "unknown": unknown,
}


# What a key answers.


@pytest.mark.parametrize("state", ["submitted", "succeeded", "failed", "unknown"])
def test_a_key_that_may_have_been_paid_is_not_sent_again(journal: Journal, state: str) -> None:
    """Whatever may have cost money answers for its key instead of being sent."""
    REACH[state](journal)
    assert ask(journal).state == state
    assert (
        ask(journal, request=attrs.evolve(ROOM, image_url="https://example.com/room.jpg?signature=new")).state == state
    )


def test_a_refused_key_is_sent_again(journal: Journal) -> None:
    """Nothing was created for it."""
    refused(journal)
    intent = go(journal)
    journal.submitted(intent, 7)
    entry = ask(journal)
    assert (entry.state, entry.reason, entry.created_at) == ("submitted", None, intent.created_at)


def test_a_key_that_is_being_sent_is_waited_for(journal: Journal) -> None:
    """Its sender lives: the entry says so, and answers as soon as it is submitted."""
    intent = go(journal)
    assert is_busy(journal)
    journal.submitted(intent, 7)
    assert ask(journal).task_id == 7


def test_an_intent_that_nobody_remembers_is_unknown(journal: Journal) -> None:
    """Its task died with the event loop while the process lives on: nobody will ever tell what came of it."""
    intent = go(journal)
    assert is_busy(journal)
    del intent
    gc.collect()
    assert ask(journal).state == "unknown"


@pytest.mark.parametrize("state", [*REACH, "intended"])
def test_a_key_is_one_request(journal: Journal, state: str) -> None:
    """A key used for a different request is a mistake in every state, and changes nothing."""
    intent = REACH[state](journal) if state in REACH else go(journal)
    with pytest.raises(ValueError, match=r"'order' was used for a different request: .* use another key"):
        journal.intend(API, "order", HALL, 20)
    entry = journal.find(API, "order")
    assert entry is not None
    assert (entry.state, entry.request) == (state, ROOM)
    del intent


def test_without_a_key_every_request_is_its_own(journal: Journal) -> None:
    """A row without the caller's key gets one of its own."""
    first, second = go(journal, None), go(journal, None)
    assert first.key != second.key
    assert [entry.key for entry in journal.entries()] == [first.key, second.key]


def test_origins_do_not_answer_for_each_other(journal: Journal) -> None:
    """A video of the sandbox is no video of production."""
    journal.submitted(go(journal, origin=SANDBOX), 7)
    journal.submitted(go(journal), 8)
    journal.settle(SANDBOX, 7, MADE)
    assert [(entry.origin, entry.state) for entry in journal.entries()] == [(SANDBOX, "succeeded"), (API, "submitted")]
    assert [entry.task_id for entry in journal.entries(origin=API)] == [8]
    assert [entry.task_id for entry in journal.entries("submitted", origin=API)] == [8]
    assert list(journal.entries("submitted", origin=SANDBOX)) == []
    assert journal.find("https://elsewhere:443", "order") is None


@pytest.mark.parametrize(
    ("key", "error", "fix"),
    [
        (7, TypeError, r"str\(\.\.\.\) will do"),
        ("", ValueError, "pass None"),
        ("\ud800", ValueError, "UTF-8"),
    ],
)
def test_a_key_is_text(journal: Journal, key: Any, error: type[Exception], fix: str) -> None:
    """What cannot be found again is no key."""
    with pytest.raises(error, match=fix):
        journal.intend(API, key, ROOM, 20)
    assert list(journal.entries()) == []


# What becomes of an intent.


def test_a_withdrawn_intent_was_never_there(journal: Journal) -> None:
    """Nothing left the limiter: the key is new again."""
    journal.withdraw(go(journal))
    assert list(journal.entries()) == []


def test_a_withdrawn_intent_of_a_refused_key_is_refused_again(journal: Journal) -> None:
    """The row goes back to what it was, with its reason."""
    refused(journal)
    journal.withdraw(go(journal))
    entry = journal.find(API, "order")
    assert entry is not None
    assert (entry.state, entry.reason) == ("refused", "Insufficient credits (code 9051)")
    assert isinstance(go(journal), Intent)


def test_an_intent_that_was_doubted_too_early_can_be_withdrawn(journal: Journal) -> None:
    """Whoever holds it knows best that nothing was sent."""
    intent = go(journal)
    journal.unknown(intent)
    journal.withdraw(intent)
    assert list(journal.entries()) == []


def test_a_submitted_task_that_ends_is_settled(journal: Journal) -> None:
    """The outcome is kept, with everything the API said."""
    succeeded(journal)
    (entry,) = journal.entries("succeeded")
    assert entry.task == MADE
    assert entry.task is not None
    assert entry.task.raw == MADE.raw
    assert (entry.key, entry.request, entry.task_id, entry.credits) == ("order", ROOM, 7, 20)
    assert entry.created_at < entry.updated_at


def test_a_failed_task_keeps_its_last_look_and_its_reason(journal: Journal) -> None:
    """The API's look at it, or the error that came instead."""
    failed(journal)
    journal.submitted(go(journal, "other"), 8)
    journal.settle(API, 8, None, reason="Generated output contains prohibited content (code 9038)")
    first, second = journal.entries("failed")
    assert (first.task, first.reason) == (FAILED, "no room in the picture")
    assert (second.task, second.reason) == (None, "Generated output contains prohibited content (code 9038)")


def test_only_the_first_outcome_counts(journal: Journal) -> None:
    """Two processes that wait for one task settle it once; a task of nobody is left alone."""
    succeeded(journal)
    journal.settle(API, 7, FAILED)
    journal.settle(API, 99, MADE)
    assert [(entry.state, entry.task_id) for entry in journal.entries()] == [("succeeded", 7)]


def test_a_running_task_settles_nothing(journal: Journal) -> None:
    """Only Success and Failed are outcomes."""
    submitted(journal)
    with pytest.raises(ValueError, match="Processing: only Success and Failed"):
        journal.settle(API, 7, RUNNING)
    assert ask(journal).state == "submitted"


def test_a_late_id_ends_the_doubt(journal: Journal) -> None:
    """The answer to a POST whose caller had given up is as good as any."""
    intent = go(journal)
    journal.unknown(intent)
    journal.submitted(intent, 7)
    assert (ask(journal).state, ask(journal).task_id) == ("submitted", 7)


def test_a_late_refusal_ends_the_doubt(journal: Journal) -> None:
    """The API said no after all: nothing was paid, the key is free."""
    intent = go(journal)
    journal.unknown(intent)
    journal.refused(intent, "no")
    assert isinstance(go(journal), Intent)


def test_a_known_task_stays_known(journal: Journal) -> None:
    """No later word about an intent can take a paid id away."""
    intent = go(journal)
    journal.submitted(intent, 7)
    for word in (journal.unknown, journal.withdraw):
        word(intent)
    journal.refused(intent, "no")
    journal.submitted(intent, 7)
    assert [(entry.state, entry.task_id) for entry in journal.entries()] == [("submitted", 7)]


def test_a_second_id_for_one_intent_is_not_lost(journal: Journal) -> None:
    """It should not happen; if it does, two tasks are paid."""
    intent = go(journal)
    journal.submitted(intent, 7)
    journal.submitted(intent, 8)
    assert [(entry.key, entry.task_id) for entry in journal.entries("submitted", origin=API)] == [
        ("order", 7),
        ("order~8", 8),
    ]


def test_the_largest_ids_are_kept_exactly(journal: Journal) -> None:
    """Ids are 64-bit, with or without a sign."""
    journal.submitted(go(journal), 2**64 - 1)
    journal.settle(API, 2**64 - 1, MADE)
    assert next(journal.entries("succeeded")).task_id == 2**64 - 1


# What a person does.


def test_a_released_key_is_sent_again(journal: Journal) -> None:
    """A person has made sure: the key is free, and the release is on record even after it was sent again."""
    unknown(journal)
    entry = journal.release("order", force=True)
    assert (entry.state, entry.key) == ("refused", "order")
    assert entry.reason is not None
    assert entry.reason.startswith("released 2026-03-25T")
    journal.unknown(go(journal))
    journal.release("order", origin=API, force=True)
    journal.submitted(go(journal), 7)
    released = ask(journal).released
    assert released is not None
    assert [note.split()[0::2] for note in released.split("; ")] == [["sent", "released"]] * 2


def test_a_release_works_without_a_client(path: pathlib.Path) -> None:
    """What a dead owner left behind can be released at once, from the command line."""
    with Journal(path) as crashed:
        intent = go(crashed)
    with Journal(path) as journal:
        assert journal.release("order", force=True).state == "refused"
        del intent


def test_what_its_process_forgot_is_released(journal: Journal) -> None:
    """Also when it was not found out before that nobody will finish it."""
    go(journal)
    gc.collect()
    assert journal.release("order", force=True).state == "refused"


def test_a_refused_key_needs_no_release(journal: Journal) -> None:
    """It may be sent again as it is."""
    refused(journal)
    assert journal.release("order", force=True).reason == "Insufficient credits (code 9051)"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("submitted", "is submitted and its task is known: use another key"),
        ("succeeded", "is succeeded and its task is known: use another key"),
        ("failed", "failed as task 7, so pass task_id=7 to have it made, and paid, again"),
        ("intended", "is being sent by a living process: wait"),
    ],
)
def test_only_what_is_unknown_is_released(journal: Journal, state: str, message: str) -> None:
    """A paid key is never sent again, and one in the air is not doubtful yet."""
    intent = REACH[state](journal) if state in REACH else go(journal)
    with pytest.raises(ValueError, match=message):
        journal.release("order", force=True)
    assert is_busy(journal) if state == "intended" else ask(journal).state == state
    del intent


def test_releasing_nothing_is_a_mistake(journal: Journal) -> None:
    """A key that is not there, or not at that API, is named."""
    unknown(journal)
    with pytest.raises(ValueError, match="no key 'oder'"):
        journal.release("oder")
    with pytest.raises(ValueError, match="no key 'order'"):
        journal.release("order", origin=SANDBOX, force=True)


def test_an_ambiguous_release_is_refused(journal: Journal) -> None:
    """A key of two APIs needs the name of one."""
    unknown(journal)
    journal.unknown(go(journal, origin=SANDBOX))
    with pytest.raises(ValueError, match=r"add origin= with one of \['https://api.ideal.house:443', 'http://127"):
        journal.release("order", force=True)
    journal.release("order", origin=SANDBOX, force=True)
    assert [entry.origin for entry in journal.entries("unknown")] == [API]


def test_the_answer_to_a_released_attempt_saves_the_second_payment(journal: Journal) -> None:
    """If it comes before the key is sent again, the task answers for the key."""
    intent = go(journal)
    journal.unknown(intent)
    journal.release("order", force=True)
    journal.submitted(intent, 7)
    assert ask(journal).task_id == 7


def test_the_answer_to_a_released_attempt_is_not_lost(journal: Journal) -> None:
    """If it comes after the key was sent again, both tasks are paid: both are kept, waited for and counted."""
    first = go(journal)
    journal.unknown(first)
    journal.release("order", force=True)
    second = go(journal)
    journal.submitted(second, 8)
    journal.submitted(first, 7)
    journal.submitted(first, 7)
    assert [(entry.key, entry.task_id) for entry in journal.entries("submitted", origin=API)] == [
        ("order", 8),
        ("order~7", 7),
    ]
    assert journal.spent(API, ["order"]) == 40
    journal.settle(API, 7, FAILED)
    assert journal.spent(API, ["order"]) == 20


def test_a_late_answer_finds_a_name_of_its_own(journal: Journal) -> None:
    """Even if a caller's key looks like the one it would get."""
    first = go(journal)
    journal.unknown(first)
    journal.release("order", force=True)
    journal.submitted(go(journal), 8)
    journal.submitted(go(journal, "order~7"), 9)
    journal.submitted(first, 7)
    assert {entry.key: entry.task_id for entry in journal.entries()} == {"order": 8, "order~7": 9, "order~7~": 7}
    assert journal.spent(API, ["order"]) == 40


def test_the_answer_to_a_pruned_attempt_is_not_lost(journal: Journal) -> None:
    """Whatever happened to the row, a paid id is written down."""
    intent = go(journal)
    journal.unknown(intent)
    journal.release("order", force=True)
    journal.prune(before=datetime(2027, 1, 1, tzinfo=UTC))
    journal.submitted(intent, 7)
    assert [entry.task_id for entry in journal.entries()] == [7]


def test_prune_deletes_what_is_settled(journal: Journal) -> None:
    """Never what runs or is in doubt."""
    intent = go(journal, "intended")
    journal.unknown(go(journal, "unknown"))
    journal.refused(go(journal, "refused"), "no")
    for number, key in enumerate(("submitted", "succeeded", "failed"), 1):
        journal.submitted(go(journal, key), number)
    journal.settle(API, 2, MADE)
    journal.settle(API, 3, FAILED)
    assert journal.prune(before=datetime(2027, 1, 1, tzinfo=UTC)) == {"succeeded": 1, "failed": 1, "refused": 1}
    assert [entry.key for entry in journal.entries()] == ["intended", "unknown", "submitted"]
    del intent


def test_prune_keeps_what_changed_since(journal: Journal) -> None:
    """The limit is about the last change, to the microsecond."""
    succeeded(journal)
    changed = ask(journal).updated_at
    assert journal.prune(before=changed) == {}
    assert journal.prune(before=(changed + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=-5)))) == {
        "succeeded": 1
    }
    assert isinstance(go(journal), Intent)


def test_a_limit_needs_a_time_zone(journal: Journal) -> None:
    """Nobody guesses whose midnight is meant."""
    with pytest.raises(ValueError, match=r"no time zone: pass datetime.now\(UTC\)"):
        journal.prune(before=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake is the subject


def test_times_are_utc(path: pathlib.Path) -> None:
    """Whatever clock it is given, the journal speaks UTC, and text sorts as time does."""
    east = datetime(2026, 3, 25, 1, tzinfo=timezone(timedelta(hours=9)))
    with Journal(path, now=lambda: east) as journal:
        intent = go(journal)
        (entry,) = journal.entries()
        assert entry.created_at == entry.updated_at == intent.created_at == east
        assert entry.created_at.tzinfo == intent.created_at.tzinfo == UTC


def test_spent_counts_what_was_or_may_have_been_paid(journal: Journal) -> None:
    """Paid, in the air and in doubt count; failed, refused, released and unheard-of do not; each key counts once."""
    live = go(journal, "intended")
    for state, cost in {"submitted": 20, "succeeded": 20, "failed": 0, "refused": 0, "unknown": 20}.items():
        intent = go(journal, state)
        if state == "refused":
            journal.refused(intent, "no")
        elif state == "unknown":
            journal.unknown(intent)
        else:
            journal.submitted(intent, hash(state))
        if state in {"succeeded", "failed"}:
            journal.settle(API, hash(state), MADE if state == "succeeded" else FAILED)
        assert journal.spent(API, [state]) == cost, state
    assert journal.spent(API, [live.key]) == 20
    assert journal.spent(API, (key for key in [*STATES, *STATES, "unheard-of", "\ud800"])) == 80
    assert journal.spent(SANDBOX, STATES) == 0
    assert journal.spent(API, []) == 0
    journal.release("unknown", force=True)
    assert journal.spent(API, STATES) == 60


def test_entries_come_oldest_first_by_state(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, however many pages that takes."""
    monkeypatch.setattr("ideal_async._journal.journal._PAGE", 3)
    for number in range(9):
        journal.submitted(go(journal, f"{number}"), number + 1)
        if number % 2:
            journal.settle(API, number + 1, MADE)
    assert [entry.key for entry in journal.entries()] == list("012345678")
    assert [entry.key for entry in journal.entries("submitted")] == list("02468")
    assert [entry.key for entry in journal.entries("succeeded", origin=API)] == list("1357")


def test_entries_name_the_states(journal: Journal) -> None:
    """A misspelt state is no empty list."""
    with pytest.raises(ValueError, match=r"state must be one of intended, submitted, .* not 'done'"):
        journal.entries("done")  # type: ignore[arg-type]  # the mistake is the subject


# What stands in the file.

SECRET = "s3cret"


def test_nothing_secret_is_written(journal: Journal, path: pathlib.Path) -> None:
    """No query string, fragment, user or password of any URL, wherever the API or the caller put it."""
    url = f"https://user:p@{SECRET}@example.com/room.jpg?sig={SECRET}#{SECRET}"
    intent = go(journal, request=attrs.evolve(ROOM, image_url=url, last_image_url=url, prompt=f"like {url} please"))
    journal.submitted(intent, 7)
    raw: dict[str, Any] = {
        "id": 7,
        "status": "Success",
        "input": {"imageUrl": url, "lastImageUrl": url, "prompt": f"<{url}>"},
        "output": {"resultUrl": url, "cover": f"/relative?sig={SECRET}"},
        "more": {"thumbnailURL": f"//cdn?{SECRET} {SECRET}", "deep": [[{"note": f"see {url}, or '{url}'"}]]},
    }
    journal.settle(API, 7, read_task(raw))
    journal.refused(go(journal, "refused"), f"cannot fetch {url}")
    journal.submitted(go(journal, "failed"), 8)
    journal.settle(API, 8, None, reason=f"cannot fetch {url}.")
    assert SECRET not in repr(list(journal.entries()))
    written = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    assert b"example.com/room.jpg" in written
    assert SECRET.encode() not in written
    (entry, *_) = journal.entries("succeeded")
    assert entry.request.prompt == "like https://example.com/room.jpg please"
    assert entry.task is not None
    assert entry.task.output is not None
    assert (entry.task.output.result_url, entry.task.output.cover) == ("https://example.com/room.jpg", "/relative")
    assert entry.task.raw["more"] == {
        "thumbnailURL": "//cdn",
        "deep": [[{"note": "see https://example.com/room.jpg or 'https://example.com/room.jpg'"}]],
    }


def test_odd_words_of_the_api_are_kept(journal: Journal) -> None:
    """Half a surrogate pair, a status nobody knows, a value that is no JSON: none costs us the outcome."""
    journal.submitted(go(journal), 7)
    journal.settle(
        API, 7, Task(id=7, status="Success", raw={"note": "\ud800", "when": datetime(2026, 1, 1, tzinfo=UTC)})
    )
    journal.refused(go(journal, "other"), "no \ud800")
    made, other = journal.entries()
    assert made.task is not None
    assert made.task.raw == {"note": "\ud800", "when": "2026-01-01 00:00:00+00:00"}
    assert other.reason == "no \\ud800"


def test_only_the_user_can_read_it(path: pathlib.Path) -> None:
    """Mode 0600 from the first moment on, for SQLite's files as well, whatever the umask."""
    before = os.umask(0)
    try:
        with Journal(path) as journal:
            go(journal)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.rglob("*")}
            (lock,) = pathlib.Path(f"{path}-owners").iterdir()
            assert modes == {
                "orders.journal": 0o600,
                "orders.journal-wal": 0o600,
                "orders.journal-shm": 0o600,
                "orders.journal-owners": 0o700,
                lock.name: 0o600,
            }
    finally:
        os.umask(before)


def test_a_reader_leaves_no_trace(journal: Journal, path: pathlib.Path) -> None:
    """Looking needs no claim to be alive; a closed journal leaves one file and an empty folder."""
    assert list(journal.entries()) == []
    assert not pathlib.Path(f"{path}-owners").exists()
    journal.submitted(go(journal), 7)
    journal.close()
    assert {file.name for file in path.parent.rglob("*")} == {"orders.journal", "orders.journal-owners"}


def test_every_name_of_a_file_leads_to_one_journal(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a link, or relative: the same rows and the same owners. A dangling link makes its target, private."""
    (tmp_path / "deep").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "deep" / "orders.journal")
    monkeypatch.chdir(tmp_path / "deep")
    with Journal(link) as one, Journal("orders.journal") as two:
        intent = go(one)
        assert is_busy(two)
        one.submitted(intent, 7)
        assert ask(two).state == "submitted"
    assert stat.S_IMODE((tmp_path / "deep" / "orders.journal").stat().st_mode) == 0o600
    assert not pathlib.Path(f"{link}-owners").exists()


def test_an_odd_path_is_a_path(tmp_path: pathlib.Path) -> None:
    """Characters that mean something in a URI mean nothing here."""
    for name in ("a?mode=memory", "50%41 off#1", "schöne.journal"):
        with Journal(str(tmp_path / name)) as journal:
            go(journal)
        assert (tmp_path / name).is_file()


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_journal_is_a_file(path: str) -> None:
    """One in memory would forget what was paid."""
    with pytest.raises(ValueError, match="must outlive its process: name a file"):
        Journal(path)


def test_a_damaged_row_is_named(journal: Journal, path: pathlib.Path) -> None:
    """Somebody edited the file: the error says which row."""
    succeeded(journal)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE entries SET task = '[]'")
    db.close()
    with pytest.raises(
        JournalFailed, match=r"entry of key 'order' is damaged .*: restore a backup, or delete that row"
    ):
        list(journal.entries())


# Its life.


def test_a_closed_journal_says_so(journal: Journal) -> None:
    """Every method names the fix; closing twice is fine."""
    intent = go(journal)
    journal.close()
    journal.close()
    calls: list[Callable[[], object]] = [
        journal.entries,
        lambda: journal.release("order", force=True),
        lambda: journal.prune(before=datetime(2026, 1, 1, tzinfo=UTC)),
        lambda: journal.intend(API, "order", ROOM, 20),
        lambda: journal.withdraw(intent),
        lambda: journal.submitted(intent, 7),
        lambda: journal.refused(intent, "no"),
        lambda: journal.unknown(intent),
        lambda: journal.settle(API, 7, MADE),
        lambda: journal.find(API, "order"),
        lambda: journal.spent(API, ["order"]),
        journal.sweep,
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match="is closed: open a new Journal"):
            call()


def test_closing_gives_up_what_was_in_the_air(path: pathlib.Path) -> None:
    """A closed journal hears no answers any more; nor does anyone count on its owner."""
    with Journal(path) as one, Journal(path) as two:
        intent = go(one)
        assert two.sweep() == 0
        one.close()
        assert two.sweep() == 1
        assert ask(two).state == "unknown"
        two.submitted(intent, 7)
        assert ask(two).state == "submitted"


def test_opening_finds_what_a_crash_left(path: pathlib.Path) -> None:
    """The first look after a crash shows every key in doubt."""
    with Journal(path) as crashed:
        intents = [go(crashed, key) for key in "abc"]
    with Journal(path) as journal:
        assert [entry.key for entry in journal.entries("unknown")] == ["a", "b", "c"]
    del intents


def test_two_journals_of_one_process_share_a_file(path: pathlib.Path) -> None:
    """Locks of one process never conflict with each other: the owners still know each other."""
    with Journal(path) as one, Journal(path) as two:
        mine, yours = go(one, "mine"), go(two, "yours")
        for journal in (one, two):
            assert journal.sweep() == 0
            assert all(is_busy(journal, key) for key in ("mine", "yours"))
        one.submitted(mine, 1)
        two.submitted(yours, 2)
        assert [entry.task_id for entry in one.entries()] == [1, 2]


def test_a_journal_says_where_it_is(journal: Journal, path: pathlib.Path) -> None:
    """Its repr is its path."""
    assert repr(journal) == f"Journal({str(path)!r})"


def test_any_number_of_threads_may_write(journal: Journal) -> None:
    """Every write of every thread arrives, and one key goes out once."""
    went: list[Intent] = []

    def work(number: int) -> None:
        for turn in range(5):
            journal.submitted(go(journal, f"{number}-{turn}"), 1000 + 10 * number + turn)
        answer = journal.intend(API, "shared", ROOM, 20)
        if isinstance(answer, Intent):
            went.append(answer)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(went) == 1
    assert len(list(journal.entries("submitted"))) == 80


def test_a_journal_starts_no_thread(journal: Journal) -> None:
    """Nothing of it can keep a process alive."""
    before = threading.active_count()
    succeeded(journal)
    assert threading.active_count() == before
