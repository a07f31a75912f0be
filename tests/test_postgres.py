"""One journal for many hosts: limits over all of them, a database that goes away, and what loses an intent refused."""

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import attrs
import psycopg
import pytest
from fakes import BASE_URL, ID, Service, answer, client_of, look
from journal_steps import API, CANCELLED, FAILED, MADE, ROOM, ask, go, is_busy
from servers import Postgres, open_pgbouncer, open_postgres

from ideal_async import BudgetExceeded, Busy, Entry, Intent, JournalFailed, Pacing
from ideal_async._journal import encode_request
from ideal_async.postgres import Limits, PostgresJournal
from ideal_async.postgres import _journal as rooms
from ideal_async.postgres import _schema as schema
from ideal_async.postgres._portable import translate

pytestmark = pytest.mark.slow
Opened = Callable[..., PostgresJournal]
SENT = "2026-03-25T12:10:00.000000+00:00"


@pytest.fixture
def opened(postgres_dsn: str) -> Iterator[Opened]:
    """Opens one more host's journal upon the same database at every call."""
    with ExitStack() as stack:

        def open_another(**more: Any) -> PostgresJournal:
            journal = PostgresJournal(postgres_dsn, **more)
            journal.open()
            return stack.enter_context(closing(journal))

        yield open_another


def intend(journal: PostgresJournal, key: str, credits: int | None = 20) -> Intent | Busy | Entry:
    return journal.intend(API, key, ROOM, credits)


def end_sessions(postgres: Postgres) -> None:
    """End the sessions of all journals, and wait until they have."""
    postgres.say("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'ideal_async'")


# Limits over all hosts


def test_posts_at_once_are_counted_over_all_hosts(opened: Opened) -> None:
    """Three hosts, two places; a place is free again with the answer."""
    hosts = [opened(limits=Limits(posts=2)) for _ in range(3)]
    first, second = intend(hosts[0], "a"), intend(hosts[1], "b")
    assert isinstance(first, Intent)
    assert isinstance(second, Intent)
    full = intend(hosts[2], "c")
    assert isinstance(full, Busy)
    assert "2 requests are on their way" in full.reason
    assert hosts[2].find(API, "c") is None
    hosts[0].submitted(first, 1)
    assert isinstance(intend(hosts[2], "c"), Intent)
    del second


def test_the_places_of_the_dead_are_free(opened: Opened) -> None:
    """A host died between intent and answer: its key is in doubt, and holds no place among those on their way."""
    dead, alive = opened(limits=Limits(posts=1)), opened(limits=Limits(posts=1))
    intent = intend(dead, "a")
    assert isinstance(intend(alive, "b"), Busy)
    dead.close()
    assert isinstance(intend(alive, "b"), Busy), "it looks who is dead"
    assert isinstance(intend(alive, "b"), Intent)
    assert [entry.state for entry in alive.entries(keys=["a"])] == ["unknown"]
    del intent


def test_tasks_in_flight_are_counted_over_all_hosts(opened: Opened) -> None:
    """What has ended makes room; what nobody saw end for a day holds no place, is listed, and is spent."""
    one, other = opened(limits=Limits(in_flight=2)), opened(limits=Limits(in_flight=2))
    for number, journal in enumerate((one, other), 1):
        journal.submitted(go(journal, str(number)), number)
    assert isinstance(intend(one, "c"), Busy)
    one.settle(API, 2, MADE)
    one.submitted(go(one, "c"), 3)
    assert isinstance(intend(other, "d"), Busy)
    nearly = opened(limits=Limits(in_flight=2), now=lambda: datetime.now(UTC) + timedelta(days=1, minutes=-1))
    assert isinstance(intend(nearly, "d"), Busy)
    assert nearly.stale(API) == []
    tomorrow = opened(limits=Limits(in_flight=2), now=lambda: datetime.now(UTC) + timedelta(days=1, minutes=1))
    assert [entry.key for entry in tomorrow.stale(API)] == ["1", "c"]
    assert isinstance(intend(tomorrow, "d"), Intent)
    assert tomorrow.spent(API) == 80


def test_credits_are_limited_over_all_hosts(opened: Opened) -> None:
    """Exactly, and for each account; what has no price cannot be counted."""
    one, other = opened(limits=Limits(credits=50)), opened(limits=Limits(credits=50))
    one.submitted(go(one, "a"), 1)
    other.submitted(go(other, "b"), 2)
    with pytest.raises(BudgetExceeded) as exceeded:
        intend(one, "c")
    assert (exceeded.value.needed, exceeded.value.left) == (20, 10)
    assert one.find(API, "c") is None
    assert isinstance(one.intend(API, "c", ROOM, 20, account="second"), Intent)
    with pytest.raises(ValueError, match="is not known, so a budget cannot cover it"):
        intend(one, "d", None)


def test_a_rate_is_kept_over_all_hosts(opened: Opened) -> None:
    """A burst of one: a token is taken by each confirmation, by the database's clock."""
    hosts = [opened(limits=Limits(per_second=4)) for _ in range(2)]
    intents = [go(host, str(number)) for number, host in enumerate(hosts)]
    assert hosts[0].confirm(intents[0]) is True
    wait = hosts[1].confirm(intents[1])
    assert isinstance(wait, Busy)
    assert 0 < wait.seconds <= 0.25
    time.sleep(wait.seconds)  # the database's clock is not ours
    assert hosts[1].confirm(intents[1]) is True


@pytest.mark.parametrize("limit", ["posts", "in_flight", "per_second", "credits"])
def test_a_limit_is_more_than_nothing(limit: str) -> None:
    """To stop everybody there is `pause`."""
    with pytest.raises(ValueError, match=f"{limit} must be more than 0, not 0"):
        Limits(**{limit: 0})


def test_everybody_pauses_at_once(opened: Opened) -> None:
    """Neither a new intent nor one that was given leaves any host; what is known is told all the same."""
    one, other = opened(), opened()
    given = go(other, "a")
    one.submitted(go(one, "known"), 1)
    one.pause()
    assert other.paused
    assert isinstance(other.confirm(given), Busy)
    assert isinstance(intend(other, "b"), Busy)
    assert ask(other, "known").task_id == 1
    other.unpause()
    assert other.confirm(given) is True
    assert isinstance(intend(one, "b"), Intent)


def test_a_batch_is_counted_by_its_name(opened: Opened) -> None:
    """Jobs and credits by state, whatever host made them."""
    one, other = opened(), opened()
    for number in range(3):
        journal = (one, other)[number % 2]
        journal.submitted(go(journal, f"spring/tour/{number}"), number + 1)
    one.settle(API, 1, MADE)
    one.withdraw(go(one, "spring/tour/9"))
    one.submitted(go(one, "autumn/0"), 9)
    assert other.progress("spring/tour", API) == {"submitted": (2, 40), "succeeded": (1, 20)}
    one.prune(before=datetime.now(UTC) + timedelta(days=1))
    assert other.progress("spring/tour", API) == {"submitted": (2, 40), "succeeded": (1, 20)}
    assert other.progress("winter", API) == {}


def test_what_is_denied_holds_no_place_and_is_spent(opened: Opened) -> None:
    """It is listed; should the API know it again, it may end like any other."""
    journal = opened(limits=Limits(in_flight=1))
    journal.submitted(go(journal, "a"), 1)
    assert isinstance(intend(journal, "b"), Busy)
    journal.denied(API, 1)
    journal.denied(API, 99)
    assert [entry.key for entry in journal.stale(API)] == ["a"]
    intent = intend(journal, "b")
    assert isinstance(intent, Intent)
    journal.settle(API, 1, MADE)
    assert journal.stale(API) == []
    assert isinstance(intend(journal, "c"), Busy)
    assert journal.spent(API) == 40
    assert journal.recount() == 0


@pytest.mark.parametrize("seed", range(3))
def test_totals_never_drift(opened: Opened, postgres_dsn: str, seed: int) -> None:
    """Whatever is done in whatever order: made anew from the rows they are the same; what is wrong is mended."""
    dice = random.Random(seed)
    hosts = [opened(limits=Limits(posts=100)) for _ in range(2)]
    intents: list[Intent] = []
    for number in range(120):
        host, key = dice.choice(hosts), f"{dice.choice(['a/', 'a/b/', ''])}{dice.randrange(12)}"
        intent = dice.choice(intents) if intents else None
        step = dice.randrange(9)
        with suppress(ValueError):
            if step < 3:
                found = host.intend(API, key, ROOM, dice.choice([20, 35, None]))
                intents += [found] if isinstance(found, Intent) else []
            elif step == 3:
                host.release(key, force=True, task_id=getattr(host.find(API, key), "task_id", None))
            elif step == 4:
                host.prune(before=datetime.now(UTC) + timedelta(days=1))
            elif intent is not None and step == 5:
                host.submitted(intent, number)
            elif intent is not None and step == 6:
                ends: list[Callable[[Intent], None]] = [host.withdraw, host.unknown, partial(host.refused, reason="no")]
                dice.choice(ends)(intent)
            else:
                host.settle(API, dice.randrange(number + 1), dice.choice([MADE, FAILED, CANCELLED, None]))
                host.denied(API, dice.randrange(number + 1))
    totals = hosts[0].batches(API), hosts[0].spent(API)
    assert {"a", "a/b", ""} == set(totals[0])
    assert hosts[0].recount() == 0
    with psycopg.connect(postgres_dsn, autocommit=True) as db:
        db.execute("UPDATE ideal_async.spending SET in_flight = in_flight + 7, credits = credits - 1")
        db.execute("UPDATE ideal_async.progress SET jobs = jobs + 1")
        db.execute("DELETE FROM ideal_async.progress WHERE batch = 'a' AND pruned_jobs = 0")
    assert hosts[1].recount() > 0
    assert (hosts[0].batches(API), hosts[0].spent(API)) == totals
    assert hosts[0].recount() == 0


def test_the_totals_of_the_first_version_are_brought_up_to_date(
    postgres_dsn: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was pruned then, which still counts."""
    with monkeypatch.context() as former, psycopg.connect(postgres_dsn, autocommit=True) as db:
        former.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        schema.migrate(db)
        for key, state in (("x/1", "succeeded"), ("x/2", "succeeded"), ("x/3", "submitted"), ("4", "submitted")):
            db.execute(
                "INSERT INTO entries (origin, account, key, attempt, state, fingerprint, request, credits, task_id, "
                "created_at, updated_at) VALUES (%s, '', %s, %s, %s, '', '{}', 20, %s, %s, '')",
                (API, key, key, state, key[-1], datetime.now(UTC).isoformat(timespec="microseconds")),
            )
        db.execute("DELETE FROM entries WHERE key = 'x/1'")
    journal = opened(limits=Limits(in_flight=2))
    assert journal.spent(API) == 80
    assert journal.batches(API) == {"x": {"submitted": (1, 20), "succeeded": (2, 40)}, "": {"submitted": (1, 20)}}
    assert isinstance(intend(journal, "5"), Busy)
    assert journal.recount() == 0


def test_limits_are_never_exceeded_by_hosts_in_a_hurry(opened: Opened) -> None:
    """Three hosts, two threads each, as fast as they can: what the service sees at once is within the limits."""
    limits = Limits(posts=2, in_flight=4)
    hosts = [opened(limits=limits) for _ in range(3)]
    lock, posts, flying, most = threading.Lock(), [0], [0], {"posts": 0, "in flight": 0}

    def note(posted: int, flew: int) -> None:
        with lock:
            posts[0] += posted
            flying[0] += flew
            most["posts"] = max(most["posts"], posts[0])
            most["in flight"] = max(most["in flight"], posts[0] + flying[0])

    def work(host: PostgresJournal, first: int) -> None:
        for number in range(first, first + 10):
            while not isinstance(intent := intend(host, str(number)), Intent):
                time.sleep(0.005)  # whoever asks so often leaves no room unused
            note(+1, 0)
            time.sleep(0.005)  # for so long the request is on its way, and then the task in flight
            note(-1, 0)
            host.submitted(intent, number + 1)
            note(0, +1)
            time.sleep(0.005)
            note(0, -1)
            host.settle(API, number + 1, MADE)

    threads = [threading.Thread(target=work, args=(hosts[each % 3], 10 * each)) for each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < most["posts"] <= limits.posts
    assert 0 < most["in flight"] <= limits.in_flight
    assert hosts[0].batches(API) == {"": {"succeeded": (60, 1200)}}
    assert hosts[0].recount() == 0


# Who lives


def test_a_sender_that_lives_is_waited_for_and_a_dead_one_is_doubted(opened: Opened) -> None:
    """The database tells, not a clock."""
    sender, other = opened(), opened()
    intent = go(sender)
    assert is_busy(other)
    sender.close()
    assert ask(other).state == "unknown"
    del intent


def test_a_false_death_costs_nothing(opened: Opened, postgres: Postgres) -> None:
    """The session of a living owner is ended: the row is in doubt, nobody sends it, and the late answer finds it."""
    sender, other = opened(), opened()
    intent = go(sender)
    end_sessions(postgres)
    assert ask(other).state == "unknown"
    assert sender.confirm(intent) is False
    sender.submitted(intent, 7)
    assert ask(other).task_id == 7


def test_a_lost_session_goes_on_with_what_it_was_busy_with(opened: Opened, postgres: Postgres) -> None:
    """Unless somebody has given it up meanwhile."""
    sender = opened()
    intent = go(sender)
    sender.submitted(go(sender, "followed"), 1)
    end_sessions(postgres)
    assert sender.find(API, "order") is not None
    other = opened()
    assert is_busy(other)
    assert sender.confirm(intent) is True
    assert other.follow(API) == []


def test_a_frozen_sender_whose_key_was_released_does_not_send(opened: Opened) -> None:
    """It asks in its own session immediately before the send."""
    frozen, person = opened(), opened()
    intent = go(frozen)
    frozen.unknown(intent)
    person.release("order", force=True)
    assert frozen.confirm(intent) is False
    assert isinstance(intend(person, "order"), Intent)
    assert frozen.confirm(intent) is False


def test_the_followers_of_the_dead_are_taken_over(opened: Opened) -> None:
    """Each task has one follower; who closes lets go."""
    one, other = opened(), opened()
    one.submitted(go(one), 7)
    assert other.follow(API) == []
    one.close()
    assert [entry.task_id for entry in other.follow(API)] == [7]
    assert opened().follow(API) == []


def test_what_nobody_follows_is_taken_over_where_nobody_delivers(opened: Opened) -> None:
    """Where somebody follows the tasks of an account on purpose, the ends are for those who ask for them so."""
    one, other, third = opened(), opened(), opened()
    one.submitted(go(one), 7)
    assert other.take_over(API) == []
    one.close()
    assert [entry.task_id for entry in other.take_over(API)] == [7]
    other.unfollow(API)
    assert [entry.task_id for entry in third.follow(API)] == [7]
    third.unfollow(API)
    assert other.take_over(API) == []
    assert [entry.task_id for entry in third.follow(API)] == [7]


def test_two_hosts_take_a_late_answer_and_a_new_attempt_for_what_they_are(opened: Opened) -> None:
    """The late answer comes while another host sends the released key again: both tasks are kept."""
    one, other = opened(), opened()
    first = go(one)
    one.unknown(first)
    other.release("order", force=True)
    second = go(other)
    one.submitted(first, 7)
    other.submitted(second, 8)
    assert {entry.key: entry.task_id for entry in one.entries()} == {"order": 8, "order~7": 7}


def test_one_key_from_many_hosts_is_sent_once(opened: Opened) -> None:
    """At the same time; everybody else waits for the one that sends."""
    hosts = [opened() for _ in range(6)]
    found: list[Any] = []
    threads = [threading.Thread(target=lambda host=host: found.append(intend(host, "order"))) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in found) == ["Busy"] * 5 + ["Intent"]


# A database that goes away


def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submits are told to ask again; a paid id is told with its error, and written down when the database is back."""
    monkeypatch.setattr(rooms, "PATIENCE", 0.2)
    with open_postgres() as server, PostgresJournal(server.dsn()) as journal:
        journal.open()
        intent = go(journal)
        server.kill()
        busy = intend(journal, "other")
        assert isinstance(busy, Busy)
        assert "cannot be reached" in busy.reason
        assert isinstance(journal.confirm(intent), Busy)
        with pytest.raises(
            JournalFailed, match=r"task 7 is paid, and not written down: .* cannot be reached"
        ) as failed:
            journal.submitted(intent, 7)
        assert failed.value.task_id == 7
        server.start()
        assert isinstance(intend(journal, "other"), Intent)
        assert ask(journal).task_id == 7
        server.kill()
        another = JournalFailed
        with pytest.raises(another):
            journal.settle(API, 7, MADE)


def test_a_long_outage_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for ever."""
    monkeypatch.setattr(rooms, "OUTAGE", -1.0)
    with PostgresJournal("postgresql://tests@127.0.0.1:1/none") as journal:
        journal.open()  # says nothing: whoever asks is told
        with pytest.raises(JournalFailed, match="it has been away for"):
            intend(journal, "a")


def test_what_closing_loses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids that could not be written, now neither."""
    monkeypatch.setattr(rooms, "PATIENCE", 0.1)
    with open_postgres() as server:
        journal = PostgresJournal(server.dsn())
        journal.open()
        intent = go(journal)
        server.kill()
        with pytest.raises(JournalFailed):
            journal.submitted(intent, 7)
        with pytest.raises(JournalFailed, match=r"lost with the closing .* key 'order' is submitted as task 7"):
            journal.close()
        journal.close()


def test_closing_ends_the_waiting_for_a_lost_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is tried again and again does not hold it up."""
    monkeypatch.setattr(rooms, "RECONNECT", 3600.0)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        journal = PostgresJournal(f"postgresql://tests@127.0.0.1:{gone.getsockname()[1]}/none?sslmode=disable")
        failed: list[Exception] = []

        def ask_for_it() -> None:
            try:
                journal.find(API, "a")
            except JournalFailed as error:
                failed.append(error)

        thread = threading.Thread(target=ask_for_it, daemon=True)
        thread.start()
        tried, _ = gone.accept()
        tried.close()
    journal.close()
    thread.join(60)
    assert "cannot be reached" in str(failed[0])


def test_closing_writes_what_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is back, and nobody has asked for anything since."""
    monkeypatch.setattr(rooms, "PATIENCE", 0.1)
    with open_postgres() as server:
        journal = PostgresJournal(server.dsn())
        journal.open()
        intent = go(journal)
        server.kill()
        with pytest.raises(JournalFailed):
            journal.submitted(intent, 7)
        server.start()
        journal.close()
        with PostgresJournal(server.dsn()) as other:
            assert ask(other).task_id == 7


@pytest.mark.parametrize("doubted", [False, True])
def test_a_commit_whose_answer_is_lost(opened: Opened, monkeypatch: pytest.MonkeyPatch, *, doubted: bool) -> None:
    """The row is there: it is ours as long as it is still `intended`; once another host has doubted it, it is not."""
    sender, other = opened(), opened()
    run = sender._session._run

    def lose_answer(db: psycopg.Connection[Any], work: Callable[[Any], Any]) -> Any:
        run(db, work)
        monkeypatch.undo()
        with psycopg.connect(db.info.dsn) as control:
            control.execute("SELECT pg_terminate_backend(%s, 60000)", (db.info.backend_pid,))
        if doubted:
            assert ask(other).state == "unknown"
        raise psycopg.OperationalError("server closed the connection")

    monkeypatch.setattr(sender._session, "_run", lose_answer)
    found = intend(sender, "order")
    if doubted:
        assert isinstance(found, Entry)
        assert found.state == "unknown"
    else:
        assert isinstance(found, Intent)
        assert sender.confirm(found) is True
        assert is_busy(other)


# What loses an intent


def test_a_database_without_fsync_is_refused() -> None:
    """A crash of it would lose what was paid."""
    with open_postgres() as server:
        server.say("ALTER SYSTEM SET fsync = off")
        server.say("SELECT pg_reload_conf()")
        while server.say("SHOW fsync") != "off\n":
            time.sleep(0.05)
        with PostgresJournal(server.dsn()) as journal, pytest.raises(JournalFailed, match="fsync = off"):
            journal.open()


@pytest.mark.parametrize(
    ("default", "used"), [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
)
def test_every_commit_waits_for_the_disk(postgres: Postgres, postgres_dsn: str, default: str, used: str) -> None:
    """Whatever the database's default is; a stricter one stays."""
    database = postgres_dsn.rpartition("/")[2]
    postgres.say(f"ALTER DATABASE {database} SET synchronous_commit = {default}")
    with PostgresJournal(postgres_dsn) as journal:
        journal.open()
        (found,) = journal._session.read(
            lambda db: db.execute("SELECT current_setting('synchronous_commit')").fetchone()
        )
    assert found == used


def test_a_pooler_in_transaction_mode_is_found_out(postgres: Postgres, postgres_dsn: str) -> None:
    """At once, also by the first who comes; in session mode a pooler is as good as the database itself."""
    with open_pgbouncer(postgres, "transaction") as pooled, PostgresJournal(pooled(postgres_dsn)) as journal:
        with pytest.raises(JournalFailed, match="set the pooler to session mode"):
            journal.open()
        with pytest.raises(JournalFailed, match="set the pooler to session mode"):
            intend(journal, "order")
    with open_pgbouncer(postgres, "session") as pooled, PostgresJournal(pooled(postgres_dsn)) as journal:
        intent = go(journal)
        assert journal.confirm(intent) is True
        with PostgresJournal(pooled(postgres_dsn)) as other:
            assert is_busy(other)


def test_a_session_that_was_changed_for_another_is_found_out(opened: Opened) -> None:
    """Before each intent and each send: what stands in the session is asked, not what was there when it began."""
    journal = opened()
    intent = go(journal)
    journal._session.write(lambda db: db.execute("SELECT set_config('ideal_async.owner', 'somebody', false)"))
    for ask_it in (lambda: intend(journal, "other"), lambda: journal.confirm(intent)):
        with pytest.raises(JournalFailed, match="set the pooler to session mode"):
            ask_it()


def test_a_failure_of_the_first_version_counts_as_refunded(
    opened: Opened, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That was taken for granted then; what fails from now on is told apart."""
    with monkeypatch.context() as former:
        former.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        with psycopg.connect(postgres_dsn, autocommit=True) as db:
            schema.migrate(db)
            for number, (key, state) in enumerate((("old", "failed"), ("running", "submitted"))):
                db.execute(
                    "INSERT INTO ideal_async.entries (origin, account, key, attempt, state, fingerprint, request, "
                    "credits, task_id, created_at, updated_at) VALUES (%s, '', %s, %s, %s, %s, %s, 20, %s, %s, %s)",
                    (API, key, key, state, ROOM.fingerprint, encode_request(ROOM), str(number), *2 * (SENT,)),
                )
    journal = opened()
    assert journal.spent(API) == journal.spent(API, ["old", "running"]) == 20
    journal.settle(API, 1, attrs.evolve(CANCELLED, id=1))
    assert [(entry.key, entry.refunded) for entry in journal.entries("failed")] == [("old", True), ("running", None)]
    assert journal.spent(API) == journal.spent(API, ["old", "running"]) == 20


def test_the_tables_of_a_newer_version_are_refused(opened: Opened, postgres_dsn: str) -> None:
    """They may mean something else."""
    opened()
    with psycopg.connect(postgres_dsn, autocommit=True) as db:
        db.execute("UPDATE ideal_async.properties SET value = '99' WHERE name = 'schema'")
    with PostgresJournal(postgres_dsn) as journal, pytest.raises(JournalFailed, match="upgrade ideal_async"):
        journal.open()


def test_many_hosts_may_make_the_tables_at_once(postgres_dsn: str) -> None:
    """One of them does."""
    failed: list[Exception] = []

    def begin() -> None:
        try:
            with PostgresJournal(postgres_dsn) as journal:
                journal.open()
        except Exception as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_what_the_database_forbids_is_said(postgres: Postgres, postgres_dsn: str) -> None:
    """In its words."""
    postgres.say("CREATE ROLE guest LOGIN")
    guest = postgres_dsn.replace("tests@", "guest@")
    with PostgresJournal(guest) as journal, pytest.raises(JournalFailed, match="permission denied"):
        journal.open()


def test_a_closed_or_forked_journal_says_so(postgres_dsn: str) -> None:
    """It is no database that is away."""
    journal = PostgresJournal(postgres_dsn)
    journal._session._process += 1
    with pytest.raises(RuntimeError, match="before a fork"):
        journal.open()
    journal.unfollow(API)
    journal.close()  # the parent's is left alone
    journal._session._process -= 1
    journal.open()
    journal.close()
    with pytest.raises(RuntimeError, match="is closed"):
        journal.find(API, "a")


@pytest.mark.parametrize(
    ("dsn", "name"),
    [
        ("postgresql://me:secret@db.example:5433/videos", "db.example:5433/videos"),
        ("dbname=videos password=secret", "videos"),
        ("", "the default database"),
        ("host=a password='secret", "a database"),
    ],
)
def test_a_journal_is_called_without_its_password(dsn: str, name: str) -> None:
    """In reprs and errors."""
    assert repr(PostgresJournal(dsn)) == f"PostgresJournal({name})"


def test_sql_is_translated() -> None:
    """The journal's SQL is SQLite's as well; a cast is no name."""
    assert translate("a = :a AND b = ? AND c LIKE 'x%'") == "a = %(a)s AND b = %s AND c LIKE 'x%%'"
    assert translate("SELECT x::json FROM json_each(:keys)") == (
        "SELECT x::json FROM json_array_elements_text((%(keys)s)::json) AS each (value)"
    )


# With a client


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_the_tasks_of_a_dead_host_are_followed_by_a_living_one(postgres_dsn: str) -> None:
    """Any client does it, so that they hold no place in flight for longer than they run."""
    service = Service(submit=answer(ID), look=look("Success"))
    with PostgresJournal(postgres_dsn) as dead:
        dead.submitted(go(dead, "order-1", origin=BASE_URL), ID)
    pacing = Pacing(min_interval=0.01, max_interval=0.02)
    async with PostgresJournal(postgres_dsn) as journal, client_of(service, journal=journal, pacing=pacing) as client:
        with anyio.fail_after(60):
            while (entry := await client.lookup("order-1")) is None or entry.state != "succeeded":
                await client.lookup("wakes the client up")
                await anyio.sleep(0.05)


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
async def test_a_client_uses_it_like_any_journal(postgres_dsn: str) -> None:
    """It opens it in its threads; two clients on two journals pay once."""
    service = Service(submit=answer(ID), look=look("Success"))
    ids: list[int] = []

    async def order(client: Any) -> None:
        ids.append(await client.submit(ROOM, key="order-42"))

    async with (
        PostgresJournal(postgres_dsn) as one,
        PostgresJournal(postgres_dsn) as other,
        client_of(service, journal=one) as client,
        client_of(service, journal=other) as second,
    ):
        async with anyio.create_task_group() as both:
            both.start_soon(order, client)
            both.start_soon(order, second)
        entry = await second.lookup("order-42")
    assert ids == [ID, ID]
    assert len(service.submits) == 1
    assert entry is not None
    assert entry.task_id == ID


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the message says how to get it."""
    import importlib
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "ideal_async.postgres", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'ideal-async\[postgres\]'"):
        importlib.import_module("ideal_async.postgres")
