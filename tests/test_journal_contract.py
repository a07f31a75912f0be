"""What every store promises: the same tests for each, through names that everybody may use.

A store joins by a line in `STORES`: how it is opened, once more at every call, upon a place that is new in each test.
"""

import gc
import hashlib
import pathlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Protocol

import attrs
import pytest
from journal_steps import (
    API,
    CANCELLED,
    FAILED,
    HALL,
    MADE,
    REACH,
    ROOM,
    RUNNING,
    SANDBOX,
    Clock,
    ask,
    failed,
    go,
    is_busy,
    refused,
    submitted,
    succeeded,
    unknown,
)

from ideal_async import BudgetExceeded, Busy, Cap, Entry, Intent, Journal, JournalStore, Task, _identity
from ideal_async._journal import STATES, JournalControl


class Store(JournalStore, JournalControl, Protocol):
    """Both halves: what a client needs, and what a person decides."""


Now = Callable[[], datetime]
Opened = Callable[[], "Store"]
#: 6,400 letters that no database makes smaller.
UNEVEN = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(100))
STORES = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


def store_at(kind: str, folder: pathlib.Path, now: Now, request: pytest.FixtureRequest) -> Store:
    """Open a store of a kind upon this test's place."""
    if kind == "sqlite":
        return Journal(folder / "orders.journal", now=now)
    from ideal_async.postgres import Limits, PostgresJournal

    return PostgresJournal(request.getfixturevalue("postgres_dsn"), limits=Limits(posts=100), now=now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: pathlib.Path, clock: Clock) -> Iterator[Callable[[], Store]]:
    """Opens one more store upon the same place at every call, with one clock for all."""
    with ExitStack() as stack:

        def open_another() -> Store:
            store = store_at(request.param, tmp_path, clock, request)
            store.open()
            return stack.enter_context(closing(store))

        yield open_another


@pytest.fixture
def journal(opened: Opened) -> Store:
    return opened()


# What a key answers.


@pytest.mark.parametrize("state", ["submitted", "succeeded", "failed", "unknown"])
def test_a_key_that_may_have_been_paid_is_not_sent_again(journal: Store, state: str) -> None:
    """Whatever may have cost money answers for its key instead of being sent."""
    REACH[state](journal)
    assert ask(journal).state == state
    assert (
        ask(journal, request=attrs.evolve(ROOM, image_url="https://example.com/room.jpg?signature=new")).state == state
    )


def test_a_refused_key_is_sent_again(journal: Store) -> None:
    """Nothing was created for it."""
    refused(journal)
    intent = go(journal)
    journal.submitted(intent, 7)
    entry = ask(journal)
    assert (entry.state, entry.reason, entry.created_at) == ("submitted", None, intent.created_at)


def test_a_key_that_is_being_sent_is_waited_for(journal: Store) -> None:
    """Its sender lives: the entry says so, and answers as soon as it is submitted."""
    intent = go(journal)
    assert is_busy(journal)
    journal.submitted(intent, 7)
    assert ask(journal).task_id == 7


def test_an_intent_that_nobody_remembers_is_unknown(journal: Store) -> None:
    """Its task died with the event loop while the process lives on: nobody will ever tell what came of it."""
    intent = go(journal)
    assert is_busy(journal)
    del intent
    gc.collect()
    assert ask(journal).state == "unknown"


@pytest.mark.parametrize("state", [*REACH, "intended"])
def test_a_key_is_one_request(journal: Store, state: str) -> None:
    """A key used for a different request is a mistake in every state, and changes nothing."""
    intent = REACH[state](journal) if state in REACH else go(journal)
    with pytest.raises(ValueError, match=r"'order' was used for a different request: .* use another key"):
        journal.intend(API, "order", HALL, 20)
    entry = journal.find(API, "order")
    assert entry is not None
    assert (entry.state, entry.request) == (state, ROOM)
    del intent


def test_without_a_key_every_request_is_its_own(journal: Store) -> None:
    """A row without the caller's key gets one of its own."""
    first, second = go(journal, None), go(journal, None)
    assert first.key != second.key
    assert [entry.key for entry in journal.entries()] == [first.key, second.key]


def test_origins_do_not_answer_for_each_other(journal: Store) -> None:
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
        ("a\0", ValueError, r"U\+0000"),
        ("a" * 1001, ValueError, r"at most 1,000 bytes of UTF-8, not 1,001: pass a shorter name"),
        ("ä" * 501, ValueError, r"at most 1,000 bytes of UTF-8, not 1,002: pass a shorter name"),
        (UNEVEN, ValueError, r"at most 1,000 bytes of UTF-8, not 6,400: pass a shorter name"),
    ],
)
def test_a_key_is_text(journal: Store, key: Any, error: type[Exception], fix: str) -> None:
    """What cannot be found again is no key; nor is an account."""
    with pytest.raises(error, match=fix):
        journal.intend(API, key, ROOM, 20)
    if key:
        with pytest.raises(error, match=f"an account .*{fix}"):
            journal.intend(API, "order", ROOM, 20, account=key)
    assert list(journal.entries()) == []


@pytest.mark.parametrize("key", [" ", "~", "a/b/", "'; DROP", "%_", "a\nb", "🏠" * 250, UNEVEN[:1000], "e\u0301", "é"])
def test_any_other_text_is_a_key_and_an_account(journal: Store, key: str) -> None:
    """Up to the longest: it is sent once, found, doubted and released, and its late answer has room for the id."""
    intent = journal.intend(API, key, ROOM, 20, account=key)
    assert isinstance(intent, Intent)
    journal.unknown(intent)
    assert [entry.key for entry in journal.entries(keys=[key], account=key)] == [key]
    journal.release(key, account=key, force=True)
    again = journal.intend(API, key, ROOM, 20, account=key)
    assert isinstance(again, Intent)
    journal.submitted(intent, (1 << 64) - 1)
    journal.submitted(again, 7)
    found = journal.find(API, key, account=key)
    assert found is not None
    assert (found.key, found.account, found.task_id) == (key, key, 7)
    assert {entry.task_id for entry in journal.entries()} == {7, (1 << 64) - 1}


def test_a_longer_name_of_an_older_journal_goes_on(journal: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what begins is refused: what was paid under such a key answers for it, and a doubt can be cleared up."""
    key, account = "k" * 1001, "a" * 1001
    with monkeypatch.context() as older:
        older.setattr(_identity, "LONGEST_NAME", 2000)
        intents = [journal.intend(API, each, ROOM, 20, account=account) for each in (key, f"{key}/2")]
    for intent in intents:
        assert isinstance(intent, Intent)
        journal.unknown(intent)
    assert journal.release(key, force=True).state == "refused"
    assert journal.adopt(f"{key}/2", 7, force=True).task_id == 7
    found = journal.intend(API, f"{key}/2", ROOM, 20, account=account)
    assert isinstance(found, Entry)
    assert found.task_id == 7
    assert isinstance(journal.intend(API, key, ROOM, 20, account=account), Intent)
    assert len([*journal.entries(keys=[key, f"{key}/2"])]) == 2


# What becomes of an intent.


@pytest.mark.parametrize(
    ("key", "error"), [(5, TypeError), (b"order", TypeError), ("a\0", ValueError), ("", ValueError)]
)
def test_what_can_be_no_key_is_no_answer(journal: Store, key: Any, error: type[Exception]) -> None:
    """A number that was looked up as such would seem never to have been ordered."""
    unknown(journal)
    asked: list[Callable[[], object]] = [
        lambda: journal.find(API, key),
        lambda: journal.release(key),
        lambda: journal.adopt(key, 7),
    ]
    for ask_about in asked:
        with pytest.raises(error, match="a key must"):
            ask_about()


def test_some_keys_are_a_list_of_texts(journal: Store) -> None:
    """One text would be taken for its letters."""
    submitted(journal)
    one: Any = "order"
    number: Any = 5
    with pytest.raises(TypeError, match=r"keys is a list of keys: pass keys=\['order'\]"):
        journal.spent(API, one)
    for wrong in (one, [number]):
        with pytest.raises(TypeError, match=r"a list of keys|a key must be str, not int"):
            list(journal.entries(keys=wrong))


@pytest.mark.parametrize("task_id", [0, -5, 1 << 64, "7", 7.0, True])
def test_only_an_id_is_adopted(journal: Store, task_id: Any) -> None:
    """What a task can be called."""
    unknown(journal)
    with pytest.raises((TypeError, ValueError), match="a task id is"):
        journal.adopt("order", task_id)


@pytest.mark.parametrize("when", ["2026-03-25", 0, date(2026, 3, 25)])
def test_a_time_is_a_datetime(journal: Store, when: Any) -> None:
    """For everybody the same."""
    for ask_it in (lambda: journal.prune(before=when), lambda: journal.spent(API, since=when), lambda: Cap(1, when)):
        with pytest.raises(TypeError, match=r"is a datetime with a time zone, not .*: pass datetime.now\(UTC\)"):
            ask_it()


def test_a_cap_that_begins_in_the_future_is_refused(journal: Store, clock: Clock) -> None:
    """It would count nothing of what is spent until then; a clock that was put back is the same."""
    with pytest.raises(ValueError, match="would limit nothing: pass a since= that is past, or set the clocks right"):
        journal.intend(API, "order", ROOM, 20, cap=Cap(30, clock.time + timedelta(hours=1)))
    assert journal.find(API, "order") is None
    refused(journal)
    with pytest.raises(ValueError, match="would limit nothing"):
        journal.intend(API, "order", ROOM, 20, cap=Cap(30, clock.time + timedelta(hours=1)))
    assert journal.intend(API, "order", ROOM, 20, cap=Cap(30, clock.time))


def test_a_cap_that_has_just_begun_by_a_fast_clock_counts_what_was_spent_just_now(journal: Store, clock: Clock) -> None:
    """Two hosts, or a host and its database, never agree to the second: `since=datetime.now(UTC)` is no mistake."""
    cap = Cap(30, clock.time + timedelta(minutes=4))
    assert isinstance(journal.intend(API, "first", ROOM, 20, cap=cap), Intent)
    with pytest.raises(BudgetExceeded):
        journal.intend(API, "second", ROOM, 20, cap=cap)


def test_a_withdrawn_intent_was_never_there(journal: Store) -> None:
    """Nothing left the limiter: the key is new again."""
    journal.withdraw(go(journal))
    assert list(journal.entries()) == []


def test_a_withdrawn_intent_of_a_refused_key_is_refused_again(journal: Store) -> None:
    """The row goes back to what it was, with its reason."""
    refused(journal)
    journal.withdraw(go(journal))
    entry = journal.find(API, "order")
    assert entry is not None
    assert (entry.state, entry.reason) == ("refused", "Insufficient credits (code 9051)")
    assert isinstance(go(journal), Intent)


def test_an_intent_that_was_doubted_too_early_can_be_withdrawn(journal: Store) -> None:
    """Whoever holds it knows best that nothing was sent."""
    intent = go(journal)
    journal.unknown(intent)
    journal.withdraw(intent)
    assert list(journal.entries()) == []


def test_a_submitted_task_that_ends_is_settled(journal: Store) -> None:
    """The outcome is kept, with everything the API said."""
    succeeded(journal)
    (entry,) = journal.entries("succeeded")
    assert entry.task == MADE
    assert entry.task is not None
    assert entry.task.raw == MADE.raw
    assert (entry.key, entry.request, entry.task_id, entry.credits) == ("order", ROOM, 7, 20)
    assert entry.created_at < entry.updated_at


def test_a_failed_task_keeps_its_last_look_and_its_reason(journal: Store) -> None:
    """The API's look at it, or the error that came instead."""
    failed(journal)
    journal.submitted(go(journal, "other"), 8)
    journal.settle(API, 8, None, reason="Generated output contains prohibited content (code 9038)")
    first, second = journal.entries("failed")
    assert (first.task, first.reason) == (FAILED, "no room in the picture")
    assert (second.task, second.reason) == (None, "Generated output contains prohibited content (code 9038)")


def test_only_the_first_outcome_counts(journal: Store) -> None:
    """Two processes that wait for one task settle it once; a task of nobody is left alone."""
    succeeded(journal)
    journal.settle(API, 7, FAILED)
    journal.settle(API, 99, MADE)
    assert [(entry.state, entry.task_id) for entry in journal.entries()] == [("succeeded", 7)]


def test_a_running_task_settles_nothing(journal: Store) -> None:
    """Only Success and Failed are outcomes."""
    submitted(journal)
    with pytest.raises(ValueError, match="Processing: only Success and Failed"):
        journal.settle(API, 7, RUNNING)
    assert ask(journal).state == "submitted"


def test_a_late_id_ends_the_doubt(journal: Store) -> None:
    """The answer to a POST whose caller had given up is as good as any."""
    intent = go(journal)
    journal.unknown(intent)
    journal.submitted(intent, 7)
    assert (ask(journal).state, ask(journal).task_id) == ("submitted", 7)


def test_a_late_refusal_ends_the_doubt(journal: Store) -> None:
    """The API said no after all: nothing was paid, the key is free."""
    intent = go(journal)
    journal.unknown(intent)
    journal.refused(intent, "no")
    assert isinstance(go(journal), Intent)


def test_a_known_task_stays_known(journal: Store) -> None:
    """No later word about an intent can take a paid id away."""
    intent = go(journal)
    journal.submitted(intent, 7)
    for word in (journal.unknown, journal.withdraw):
        word(intent)
    journal.refused(intent, "no")
    journal.submitted(intent, 7)
    assert [(entry.state, entry.task_id) for entry in journal.entries()] == [("submitted", 7)]


def test_a_second_id_for_one_intent_is_not_lost(journal: Store) -> None:
    """It should not happen; if it does, two tasks are paid."""
    intent = go(journal)
    journal.submitted(intent, 7)
    journal.submitted(intent, 8)
    assert [(entry.key, entry.task_id) for entry in journal.entries("submitted", origin=API)] == [
        ("order", 7),
        ("order~8", 8),
    ]


def test_the_largest_ids_are_kept_exactly(journal: Store) -> None:
    """Ids are 64-bit, with or without a sign."""
    journal.submitted(go(journal), 2**64 - 1)
    journal.settle(API, 2**64 - 1, MADE)
    assert next(journal.entries("succeeded")).task_id == 2**64 - 1


# What a person does.


def test_a_released_key_is_sent_again(journal: Store) -> None:
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


def test_a_release_works_without_a_client(opened: Opened) -> None:
    """What a dead owner left behind can be released, from the command line as well."""
    crashed = opened()
    intent = go(crashed)
    crashed.close()
    journal = opened()
    assert journal.release("order", force=True).state == "refused"
    assert not journal.confirm(intent)


def test_what_its_process_forgot_is_released(journal: Store) -> None:
    """Also when it was not found out before that nobody will finish it."""
    go(journal)
    gc.collect()
    assert journal.release("order", force=True).state == "refused"


def test_a_refused_key_needs_no_release(journal: Store) -> None:
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
def test_only_what_is_unknown_is_released(journal: Store, state: str, message: str) -> None:
    """A paid key is never sent again, and one in the air is not doubtful yet."""
    intent = REACH[state](journal) if state in REACH else go(journal)
    with pytest.raises(ValueError, match=message):
        journal.release("order", force=True)
    assert is_busy(journal) if state == "intended" else ask(journal).state == state
    del intent


def test_releasing_nothing_is_a_mistake(journal: Store) -> None:
    """A key that is not there, or not at that API, is named."""
    unknown(journal)
    with pytest.raises(ValueError, match="no key 'oder'"):
        journal.release("oder")
    with pytest.raises(ValueError, match="no key 'order'"):
        journal.release("order", origin=SANDBOX, force=True)


def test_an_ambiguous_release_is_refused(journal: Store) -> None:
    """A key of two APIs needs the name of one."""
    unknown(journal)
    journal.unknown(go(journal, origin=SANDBOX))
    with pytest.raises(ValueError, match=r"add origin= with one of \['https://api.ideal.house:443', 'http://127"):
        journal.release("order", force=True)
    journal.release("order", origin=SANDBOX, force=True)
    assert [entry.origin for entry in journal.entries("unknown")] == [API]


def test_the_answer_to_a_released_attempt_saves_the_second_payment(journal: Store) -> None:
    """If it comes before the key is sent again, the task answers for the key."""
    intent = go(journal)
    journal.unknown(intent)
    journal.release("order", force=True)
    journal.submitted(intent, 7)
    assert ask(journal).task_id == 7


def test_the_answer_to_a_released_attempt_is_not_lost(journal: Store) -> None:
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


def test_the_same_id_for_another_attempt_is_another_payment(journal: Store) -> None:
    """A sandbox that was started anew counts from one again."""
    for _ in range(2):
        lost = go(journal)
        journal.unknown(lost)
        journal.release("order", force=True)
        journal.submitted(go(journal), 8)
        journal.submitted(lost, 7)
        journal.submitted(lost, 7)
        journal.settle(API, 8, FAILED)
        journal.release("order", task_id=8)
    assert [(entry.key, entry.task_id) for entry in journal.entries("submitted")] == [("order~7", 7), ("order~7~", 7)]
    assert journal.spent(API, ["order"]) == 40


def test_a_late_answer_counts_for_its_own_account(journal: Store) -> None:
    """Another account's key of that name has cost nothing by it."""
    intents: list[Intent] = []
    for _ in range(2):
        intent = journal.intend(API, "order", ROOM, 20, account="second")
        assert isinstance(intent, Intent)
        journal.unknown(intent)
        journal.release("order", account="second", force=True)
        intents.append(intent)
    journal.submitted(intents[1], 8)
    journal.submitted(intents[0], 7)
    submitted(journal)
    assert (journal.spent(API, ["order"]), journal.spent(API, ["order"], account="second")) == (20, 40)


def test_a_late_answer_finds_a_name_of_its_own(journal: Store) -> None:
    """Even if a caller's key looks like the one it would get."""
    first = go(journal)
    journal.unknown(first)
    journal.release("order", force=True)
    journal.submitted(go(journal), 8)
    journal.submitted(go(journal, "order~7"), 9)
    journal.submitted(first, 7)
    assert {entry.key: entry.task_id for entry in journal.entries()} == {"order": 8, "order~7": 9, "order~7~": 7}
    assert journal.spent(API, ["order"]) == 40


def test_the_answer_to_a_pruned_attempt_is_not_lost(journal: Store) -> None:
    """Whatever happened to the row, a paid id is written down."""
    intent = go(journal)
    journal.unknown(intent)
    journal.release("order", force=True)
    journal.prune(before=datetime(2027, 1, 1, tzinfo=UTC))
    journal.submitted(intent, 7)
    assert [entry.task_id for entry in journal.entries()] == [7]


def test_prune_deletes_what_is_settled(journal: Store) -> None:
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


def test_prune_keeps_what_changed_since(journal: Store) -> None:
    """The limit is about the last change, to the microsecond."""
    succeeded(journal)
    changed = ask(journal).updated_at
    assert journal.prune(before=changed) == {}
    assert journal.prune(before=(changed + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=-5)))) == {
        "succeeded": 1
    }
    assert isinstance(go(journal), Intent)


def test_a_limit_needs_a_time_zone(journal: Store) -> None:
    """Nobody guesses whose midnight is meant."""
    with pytest.raises(ValueError, match=r"no time zone: pass datetime.now\(UTC\)"):
        journal.prune(before=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake is the subject


def test_spent_counts_what_was_or_may_have_been_paid(journal: Store) -> None:
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


def test_entries_come_oldest_first(journal: Store) -> None:
    """All of them, or only those of a state, an API, or some keys."""
    for number in range(9):
        journal.submitted(go(journal, f"{number}"), number + 1)
        if number % 2:
            journal.settle(API, number + 1, MADE)
    assert [entry.key for entry in journal.entries()] == list("012345678")
    assert [entry.key for entry in journal.entries("submitted")] == list("02468")
    assert [entry.key for entry in journal.entries("succeeded", origin=API)] == list("1357")
    assert [entry.key for entry in journal.entries(keys=(key for key in "8173x\ud800"))] == list("1378")
    assert [entry.key for entry in journal.entries("succeeded", keys=list("8173"), origin=API, account="")] == list(
        "137"
    )
    assert list(journal.entries(keys=list("123"), origin=SANDBOX)) == []
    assert list(journal.entries(keys=[])) == []


def test_entries_name_the_states(journal: Store) -> None:
    """A misspelt state is no empty list."""
    with pytest.raises(ValueError, match=r"state must be one of intended, submitted, .* not 'done'"):
        journal.entries("done")  # type: ignore[arg-type]  # the mistake is the subject


# Whose key it is.


def test_accounts_do_not_answer_for_each_other(journal: Store) -> None:
    """Two accounts at one API may use the same key for different requests; nothing of one is seen by the other."""
    for account, request in (("", ROOM), ("second", HALL)):
        intent = journal.intend(API, "order", request, 20, account=account)
        assert isinstance(intent, Intent)
        journal.submitted(intent, 7)
    journal.settle(API, 7, MADE, account="second")
    first, second = journal.find(API, "order"), journal.find(API, "order", account="second")
    assert first is not None
    assert second is not None
    assert (first.account, first.request, first.state) == ("", ROOM, "submitted")
    assert (second.account, second.request, second.state) == ("second", HALL, "succeeded")
    assert [entry.account for entry in journal.entries(account="second")] == ["second"]
    assert [entry.account for entry in journal.entries(keys=["order"], account="")] == [""]
    assert journal.spent(API, account="second") == journal.spent(API, ["order"]) == 20
    assert journal.spent(API, account="third") == 0
    with pytest.raises(ValueError, match=r"several accounts: add account= with one of \['', 'second'\]"):
        journal.release("order")


@pytest.mark.parametrize(("account", "error"), [(None, TypeError), ("\ud800", ValueError)])
def test_an_account_is_text(journal: Store, account: Any, error: type[Exception]) -> None:
    """A name that can be found again; empty is one, too."""
    with pytest.raises(error, match="an account must be"):
        journal.intend(API, "order", ROOM, 20, account=account)


@pytest.mark.parametrize("url", ["https://api.ideal.house", "https://API.ideal.house:443/", f"{API}/api/v1?a=b"])
def test_every_url_of_an_api_is_its_origin(journal: Store, url: str) -> None:
    """Whoever asks need not know how an origin is written."""
    journal.submitted(go(journal, origin=url), 7)
    assert is_known(journal, API)
    assert is_known(journal, url)
    assert [entry.origin for entry in journal.entries(origin=url)] == [API]
    assert journal.spent(url) == journal.spent(url, ["order"]) == 20
    journal.settle(url, 7, FAILED)
    assert journal.release("order", origin=url, task_id=7).origin == API
    with pytest.raises(ValueError, match=r"an origin looks like https://api\.ideal\.house"):
        journal.find("api.ideal.house", "order")


def is_known(journal: Store, origin: str) -> bool:
    return journal.find(origin, "order") is not None


# Before every send.


def test_an_intent_is_confirmed_as_long_as_it_holds(journal: Store) -> None:
    """As often as it is sent; not once anybody has said what came of it."""
    intent = go(journal)
    assert intent.holds_for < 0.1, "what needs no confirmation is a moment"
    assert journal.confirm(intent) is True
    assert journal.confirm(intent) is True
    journal.submitted(intent, 7)
    assert not journal.confirm(intent)


def test_what_was_released_meanwhile_is_not_confirmed(journal: Store) -> None:
    """The process froze between intent and request: the key may be on its way again by somebody else."""
    frozen = go(journal)
    journal.unknown(frozen)
    assert not journal.confirm(frozen)
    journal.release("order", force=True)
    assert not journal.confirm(frozen)
    again = go(journal)
    assert not journal.confirm(frozen)
    assert journal.confirm(again)
    journal.withdraw(frozen)
    assert journal.confirm(again), "what was not sent takes nothing away from the later attempt"


def test_busy_says_how_long_and_why(journal: Store) -> None:
    """It counts as false, so that nobody takes it for leave to send."""
    intent = go(journal)
    busy = journal.intend(API, "order", ROOM, 20)
    assert isinstance(busy, Busy)
    assert 0 < busy.seconds <= 1
    assert "'order' is being sent" in busy.reason
    assert not busy
    del intent


# What it may cost.


def test_a_cap_counts_from_its_time_on(opened: Opened, clock: Clock) -> None:
    """Over restarts and stores: what this origin and account spent since, and nothing else."""
    journal = opened()
    for number in range(3):
        journal.submitted(go(journal, f"before-{number}"), number + 1)
    since = clock.time + timedelta(microseconds=1)
    journal.submitted(go(journal, "elsewhere", origin=SANDBOX), 1)
    cap = Cap(50, since)
    for number in range(2):
        store = opened()
        intent = store.intend(API, f"{number}", ROOM, 20, cap=cap)
        assert isinstance(intent, Intent)
        store.submitted(intent, 10 + number)
        store.close()
    with pytest.raises(BudgetExceeded) as exceeded:
        journal.intend(API, "2", ROOM, 20, cap=cap)
    assert (exceeded.value.needed, exceeded.value.left) == (20, 10)
    assert journal.find(API, "2") is None
    assert isinstance(journal.intend(API, "2", ROOM, 10, cap=cap), Intent)
    assert isinstance(journal.intend(API, "2", ROOM, 20, account="second", cap=cap), Intent)
    assert journal.spent(API, since=since) == 50
    assert journal.spent(API) == 110


def test_a_cap_asks_nothing_of_a_known_key(journal: Store, clock: Clock) -> None:
    """What was paid already is told, however little is left."""
    submitted(journal)
    assert isinstance(journal.intend(API, "order", ROOM, 20, cap=Cap(0, clock.time - timedelta(days=1))), Entry)


def test_what_comes_back_can_be_spent_again(journal: Store, clock: Clock) -> None:
    """Refused, withdrawn, failed, released: not spent. In doubt: spent."""
    cap = Cap(20, clock.time)

    def attempt() -> Intent:
        intent = journal.intend(API, "order", ROOM, 20, cap=cap)
        assert isinstance(intent, Intent)
        with pytest.raises(BudgetExceeded):
            journal.intend(API, "other", ROOM, 20, cap=cap)
        return intent

    journal.withdraw(attempt())
    journal.refused(attempt(), "no")
    journal.withdraw(attempt())
    journal.unknown(attempt())
    with pytest.raises(BudgetExceeded):
        journal.intend(API, "other", ROOM, 20, cap=cap)
    journal.release("order", force=True)
    journal.submitted(attempt(), 7)
    journal.settle(API, 7, FAILED)
    journal.release("order", task_id=7)
    journal.submitted(attempt(), 8)
    assert journal.spent(API) == journal.spent(API, ["order"]) == 20


def test_a_cap_outlives_what_was_pruned(journal: Store, clock: Clock) -> None:
    """A forgotten key was paid all the same; one that failed was not."""
    since = clock.time
    succeeded(journal)
    journal.submitted(go(journal, "other"), 8)
    journal.settle(API, 8, FAILED)
    clock.time += timedelta(days=1)
    journal.prune(before=clock.time)
    assert list(journal.entries()) == []
    assert journal.spent(API) == journal.spent(API, since=since) == 20
    assert journal.spent(API, ["order"]) == 0
    assert journal.spent(API, since=since + timedelta(hours=1)) == 0
    with pytest.raises(BudgetExceeded):
        journal.intend(API, "order", ROOM, 20, cap=Cap(30, since))


def test_since_narrows_what_some_keys_cost(journal: Store, clock: Clock) -> None:
    """Of these keys, from then on."""
    journal.submitted(go(journal, "a"), 1)
    since = clock.time + timedelta(microseconds=1)
    journal.submitted(go(journal, "b"), 2)
    assert journal.spent(API, ["a", "b"], since) == 20


def test_many_threads_share_a_cap(journal: Store, clock: Clock) -> None:
    """Never a credit more, however many ask at once."""
    cap, went, refused_ = Cap(200, clock.time), list[Intent](), list[BudgetExceeded]()

    def work(number: int) -> None:
        for turn in range(5):
            try:
                intent = journal.intend(API, f"{number}-{turn}", ROOM, 20, cap=cap)
            except BudgetExceeded as error:
                refused_.append(error)
            else:
                assert isinstance(intent, Intent)
                went.append(intent)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(went), len(refused_)) == (10, 30)
    assert journal.spent(API) == 200


def test_a_price_may_be_unknown(journal: Store, clock: Clock) -> None:
    """It is sent all the same, and counts for nothing; but no cap can hold then."""
    intent = journal.intend(API, "order", ROOM, None)
    assert isinstance(intent, Intent)
    journal.submitted(intent, 7)
    assert ask(journal).credits is None
    assert journal.spent(API) == journal.spent(API, ["order"]) == 0
    with pytest.raises(ValueError, match=r"costs is not known, so a budget cannot cover it: pass prices="):
        journal.intend(API, "other", ROOM, None, cap=Cap(100, clock.time))


def test_a_cap_needs_a_time_zone() -> None:
    """Nobody guesses whose midnight is meant."""
    with pytest.raises(ValueError, match="has no time zone"):
        Cap(10, datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake is the subject


# A person's word.


@pytest.mark.parametrize("how", ["told", "found"])
def test_a_young_doubt_is_left_to_settle(opened: Opened, clock: Clock, how: str) -> None:
    """Its answer may still come: for two minutes only `force` releases it, since the doubt or since it went."""
    journal = opened()
    crashed = opened()
    intent = go(crashed)
    if how == "told":
        clock.time += timedelta(minutes=5)  # it was sent again and again, with pauses
        crashed.unknown(intent)
    else:
        crashed.close()
    clock.time += timedelta(seconds=100)
    with pytest.raises(ValueError, match=r"was sent 10\d s ago and its answer may still come: .* force=True"):
        journal.release("order")
    clock.time += timedelta(seconds=20)
    assert journal.release("order").state == "refused"
    del intent


def test_a_failed_key_goes_again_once(journal: Store) -> None:
    """By the id of the task that failed: said twice, by two people, it frees the key once."""
    failed(journal)
    entry = journal.release("order", task_id=7)
    assert (entry.state, entry.task_id, entry.task, entry.refunded) == ("refused", None, None, None)
    assert entry.released is not None
    assert entry.released.startswith("task 7 failed (no room in the picture), released 2026-03-25T")
    assert journal.release("order", task_id=7).state == "refused"
    journal.submitted(go(journal), 8)
    journal.settle(API, 8, FAILED)
    with pytest.raises(ValueError, match="'order' failed as task 8, not 7: pass task_id=8"):
        journal.release("order", task_id=7)
    assert ask(journal).state == "failed"
    journal.release("order", task_id=8)
    assert journal.spent(API) == 0


@pytest.mark.parametrize(("end", "refunded"), [(FAILED, True), (None, True), (CANCELLED, None)])
def test_only_what_is_promised_comes_back(
    journal: Store, clock: Clock, end: Task | None, refunded: bool | None
) -> None:
    """`Failed`, and 9038 in place of a task: refunded. Any other word for an end: spent, in each sum and limit."""
    since = clock.time
    submitted(journal)
    journal.settle(API, 7, end, reason="whatever")
    cost = 0 if refunded else 20
    found = ask(journal)
    assert (found.state, found.refunded, found.sunk) == ("failed", refunded, 0)
    assert journal.spent(API) == journal.spent(API, ["order"]) == journal.spent(API, since=since) == cost
    assert journal.spent(API, ["order"], since) == cost
    assert journal.spent(API, since=clock.time) == journal.spent(API, ["order"], clock.time) == 0
    cap = Cap(30, since)
    if refunded:
        assert isinstance(journal.intend(API, "other", HALL, 20, cap=cap), Intent)
    else:
        with pytest.raises(BudgetExceeded, match="20 credits needed, 10 left"):
            journal.intend(API, "other", HALL, 20, cap=cap)


def test_what_is_released_without_a_refund_stays_spent(journal: Store, clock: Clock) -> None:
    """However often its key goes again, whatever becomes of that, and when its row is forgotten."""
    since = clock.time

    def check(total: int) -> None:
        assert journal.spent(API) == journal.spent(API, since=since) == journal.spent(API, ["order"]) == total

    submitted(journal)
    journal.settle(API, 7, CANCELLED)
    entry = journal.release("order", task_id=7)
    assert (entry.state, entry.refunded, entry.sunk) == ("refused", None, 20)
    assert "not refunded as far as known" in (entry.released or "")
    check(20)
    intent = go(journal)
    check(40)
    journal.withdraw(intent)
    check(20)
    journal.unknown(go(journal))
    check(40)
    journal.release("order", force=True)
    check(20)
    journal.submitted(go(journal), 8)
    journal.settle(API, 8, CANCELLED)
    check(40)
    journal.release("order", task_id=8)
    check(40)
    journal.submitted(go(journal), 9)
    journal.settle(API, 9, FAILED)
    check(40)
    journal.release("order", task_id=9)
    check(40)
    clock.time += timedelta(days=1)
    journal.prune(before=clock.time)
    assert journal.spent(API) == journal.spent(API, since=since) == 40
    assert journal.spent(API, since=clock.time) == 0


def test_a_forgotten_end_without_a_refund_stays_spent(journal: Store, clock: Clock) -> None:
    """As what succeeded does."""
    submitted(journal)
    journal.settle(API, 7, CANCELLED)
    clock.time += timedelta(days=1)
    assert journal.prune(before=clock.time) == {"failed": 1}
    assert journal.spent(API) == 20


def test_what_was_sunk_counts_for_its_own_time(journal: Store, clock: Clock) -> None:
    """Not for the time at which its key went again."""
    submitted(journal)
    journal.settle(API, 7, CANCELLED)
    journal.release("order", task_id=7)
    clock.time += timedelta(days=1)
    since = clock.time
    journal.submitted(go(journal), 8)
    assert (journal.spent(API), journal.spent(API, since=since)) == (40, 20)


def test_the_word_of_a_freed_failure_changes_nothing(journal: Store) -> None:
    """An id that is written down once more does not take the key from its next attempt."""
    intent = go(journal)
    journal.submitted(intent, 7)
    journal.settle(API, 7, FAILED)
    journal.release("order", task_id=7)
    journal.submitted(intent, 7)
    assert isinstance(journal.intend(API, "order", ROOM, 20), Intent)


def test_a_doubt_is_told_its_task(journal: Store) -> None:
    """A person found it: the key is paid, and settles like any other."""
    unknown(journal)
    entry = journal.adopt("order", 7)
    assert (entry.state, entry.task_id) == ("submitted", 7)
    assert journal.adopt("order", 7).state == "submitted", "said twice is said once"
    journal.settle(API, 7, MADE)
    assert ask(journal).state == "succeeded"
    assert journal.spent(API) == 20


def test_what_its_process_forgot_can_be_adopted(journal: Store) -> None:
    """Also when it was not found out before that nobody will finish it."""
    go(journal)
    gc.collect()
    assert journal.adopt("order", 7, origin=API).task_id == 7


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("submitted", "is submitted: only a key in doubt"),
        ("succeeded", "is succeeded: only a key in doubt"),
        ("failed", "is failed: only a key in doubt"),
        ("refused", "is refused: only a key in doubt"),
        ("intended", "is being sent by a living process: wait"),
    ],
)
def test_only_a_doubt_is_told_its_task(journal: Store, state: str, message: str) -> None:
    """What is known needs no telling."""
    intent = REACH[state](journal) if state in REACH else go(journal)
    with pytest.raises(ValueError, match=message):
        journal.adopt("order", 9)
    del intent


def test_a_task_is_that_of_one_key(journal: Store) -> None:
    """The id that another key has is no answer to this one, of whatever account."""
    other = journal.intend(API, "other", HALL, 20, account="second")
    assert isinstance(other, Intent)
    journal.submitted(other, 7)
    unknown(journal)
    with pytest.raises(ValueError, match="task 7 is that of key 'other' already"):
        journal.adopt("order", 7, force=True)
    journal.settle(API, 7, FAILED, account="second")
    with pytest.raises(ValueError, match="task 7 is that of key 'other' already"):
        journal.adopt("order", 7, force=True)
    journal.submitted(go(journal, "at the sandbox", origin=SANDBOX), 8)
    assert journal.adopt("order", 8).task_id == 8


def test_two_doubts_with_equal_requests_are_named(journal: Store) -> None:
    """The task may be that of either: a person decides, by `force`."""
    for key in ("a", "b"):
        journal.unknown(go(journal, key))
    journal.unknown(go(journal, "c", HALL))
    with pytest.raises(ValueError, match="keys 'b', 'a' are in doubt with equal requests, so task 7"):
        journal.adopt("b", 7)
    assert journal.adopt("c", 9).task_id == 9
    assert journal.adopt("b", 7, force=True).task_id == 7
    assert journal.adopt("a", 8).task_id == 8


def test_a_doubt_of_another_account_is_in_nobodys_way(journal: Store) -> None:
    """Nor is one at another API, nor one about something else."""
    unknown(journal)
    elsewhere = [
        journal.intend(API, "other", ROOM, 20, account="second"),
        journal.intend(SANDBOX, "other", ROOM, 20),
        journal.intend(API, "hall", HALL, 20),
    ]
    for intent in elsewhere:
        assert isinstance(intent, Intent)
        journal.unknown(intent)
    assert journal.adopt("order", 7).task_id == 7


def test_a_late_answer_after_an_adoption_is_kept(journal: Store) -> None:
    """The same id changes nothing; another one is a second task that was paid."""
    intent = go(journal)
    journal.unknown(intent)
    journal.adopt("order", 7)
    journal.submitted(intent, 7)
    assert [entry.key for entry in journal.entries()] == ["order"]
    journal.submitted(intent, 8)
    assert [(entry.key, entry.task_id) for entry in journal.entries()] == [("order", 7), ("order~8", 8)]


def test_pruning_can_be_tried(journal: Store, clock: Clock) -> None:
    """A dry run says how many of each there are, and deletes nothing."""
    succeeded(journal)
    journal.refused(go(journal, "other"), "no")
    clock.time += timedelta(days=1)
    counts = {"succeeded": 1, "refused": 1}
    assert journal.prune(before=clock.time, dry_run=True) == counts
    assert journal.prune(before=clock.time) == counts
    assert journal.prune(before=clock.time) == {}


# Who follows.


def test_a_task_is_followed_by_who_paid_it_while_that_lives(opened: Opened) -> None:
    """Others take it over from the dead, and from who lets go; each goes to one."""
    payer, other = opened(), opened()
    payer.submitted(go(payer, "a"), 1)
    payer.submitted(go(payer, "b"), 2)
    assert other.follow(API) == []
    payer.settle(API, 2, MADE)
    payer.close()
    assert [entry.key for entry in other.follow(API)] == ["a"]
    assert other.follow(API) == [], "it does already"
    third = opened()
    assert third.follow(API) == []
    other.unfollow(API)
    assert [entry.key for entry in third.follow(f"{API}/anything")] == ["a"]
    third.settle(API, 1, MADE)
    third.unfollow(API)
    assert other.follow(API) == []


def test_what_was_adopted_is_followed_by_who_asks(journal: Store) -> None:
    """Nobody did so far."""
    unknown(journal)
    journal.adopt("order", 7)
    assert [entry.task_id for entry in journal.follow(API)] == [7]


def test_following_knows_origins_and_accounts(journal: Store) -> None:
    """A client takes over what it can look at."""
    journal.submitted(go(journal), 7)
    journal.unfollow(API)
    assert journal.follow(SANDBOX) == []
    assert journal.follow(API, account="second") == []
    journal.unfollow(API, account="second")
    assert len(journal.follow(API)) == 1


# Its life.


def test_it_may_be_opened_twice_and_idle(journal: Store) -> None:
    """Whoever gets it need not know who had it before; a quiet moment changes nothing that is told."""
    journal.open()
    submitted(journal)
    journal.idle()
    journal.idle()
    assert ask(journal).state == "submitted"
    journal.close()
    journal.idle()
    journal.close()


def test_a_journal_is_a_store(journal: Store) -> None:
    """Both halves, for a checker at run time as well."""
    assert isinstance(journal, JournalControl)
