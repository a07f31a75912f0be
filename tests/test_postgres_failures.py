"""What a database, the way to it, or a process that shares it can suffer: each ends as the guide's table says."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import crash_worker
import psycopg
import pytest
from fakes import ID, Service, answer, client_of, look
from journal_steps import API, ROOM, ask, go, is_busy
from processes import folder_of
from servers import Postgres, open_postgres
from test_crash import FORKS, CountingServer, fork_server, server, url_of

from ideal_async import IdealError, JournalFailed
from ideal_async.postgres import Limits, PostgresJournal
from ideal_async.postgres import _database as databases
from ideal_async.postgres import _journal as rooms
from ideal_async.postgres._connection import OVERDUE, Outage, is_passing
from ideal_async.postgres._gate import lock_gate

__all__ = ["fork_server", "server"]  # fixtures

pytestmark = pytest.mark.slow
#: Seconds until something happens for which a test waits: nobody's promise, only the end of a test that fails.
PATIENCE = 60.0
#: Submits upon a full disk.
ENOUGH = 3


def wait_until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# The disk


@contextmanager
def small_disk(postgres: Postgres) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """A database whose tables stand on a disk of their own; gives its DSN, and what fills it and makes room again.

    Where no disk can be mounted, the database says that it is full without being so.
    """
    user = None if os.geteuid() else "postgres"
    with folder_of(user) as disk, ExitStack() as stack:
        mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=777", "tmpfs", str(disk)]
        if os.geteuid() or subprocess.run(mount, check=False).returncode:  # noqa: S603
            dsn = stack.enter_context(postgres.database())
            yield dsn, partial(pretend_full, dsn)
            return
        stack.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=True)
        space = disk / "space"
        space.mkdir(mode=0o700)
        shutil.chown(space, str(user))
        postgres.say(f"CREATE TABLESPACE small LOCATION '{space}'")
        stack.callback(postgres.say, "DROP TABLESPACE small")
        dsn = stack.enter_context(postgres.database())
        postgres.say(f"ALTER DATABASE {dsn.rpartition('/')[2]} SET default_tablespace = small")
        yield dsn, partial(fill, disk / "ballast")


def fill(ballast: Path, full: bool) -> None:
    if not full:
        ballast.unlink()
        return
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def pretend_full(dsn: str, full: bool) -> None:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("SET search_path = ideal_async")
        if full:
            db.execute(
                "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE EXCEPTION 'No space left on device' USING ERRCODE = 'disk_full'; END $$"
            )
            db.execute("CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON entries EXECUTE FUNCTION no_room()")
        else:
            db.execute("DROP FUNCTION no_room CASCADE")


@contextmanager
def seeming_disk(postgres: Postgres) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """The other one, also where a disk can be mounted."""
    with postgres.database() as dsn:
        yield dsn, partial(pretend_full, dsn)


@pytest.mark.parametrize("disk", [small_disk, seeming_disk])
def test_a_full_disk_sends_nothing_and_loses_nothing(postgres: Postgres, disk: Any) -> None:
    """It is said at once, for waiting makes no room; what was paid is told, and written when there is some."""
    service = Service(submit=[answer(ID + number) for number in range(2000)], look=look())

    async def submit(journal: PostgresJournal, times: int) -> list[JournalFailed]:
        """Submit as often, or until that fails; tell how."""
        failed: list[JournalFailed] = []
        async with client_of(service, journal=journal) as client:
            for _ in range(times):
                try:
                    await client.submit(ROOM)
                except JournalFailed as error:
                    failed.append(error)
                    if times > ENOUGH:
                        break
        return failed

    with disk(postgres) as (dsn, fill_it), PostgresJournal(dsn) as journal:
        journal.open()
        paid = [go(journal, f"paid/{number}") for number in range(8)]
        fill_it(True)
        # What fits into the pages that are there still goes; the first that does not may have been paid by then.
        assert len(anyio.run(submit, journal, 2000)) == 1
        sent = len(service.submits)
        failed = anyio.run(submit, journal, ENOUGH)
        assert [error.task_id for error in failed] == [None] * ENOUGH
        assert "make room on the disk of the database; until then nothing is sent" in str(failed[0])
        assert len(service.submits) == sent
        for number, intent in enumerate(paid):
            with suppress(JournalFailed):
                journal.submitted(intent, number)
        assert [ask(journal, intent.key).task_id for intent in paid] == [*range(8)]
        fill_it(False)
        assert anyio.run(submit, journal, 1) == []
        with PostgresJournal(dsn) as other:
            assert [ask(other, intent.key).task_id for intent in paid] == [*range(8)]
            assert len([*other.entries("submitted")]) == 8 + sent + 1


# What the database does not take


@contextmanager
def refusing(dsn: str, key: str, code: str) -> Iterator[None]:
    """The database says no to each row of a key."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("SET search_path = ideal_async")
        db.execute(
            "CREATE FUNCTION say_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION 'that is too much' USING ERRCODE = '{code}'; END $$"
        )
        db.execute(
            "CREATE TRIGGER say_no BEFORE INSERT OR UPDATE ON entries FOR EACH ROW "
            f"WHEN (NEW.key = '{key}') EXECUTE FUNCTION say_no()"
        )
        yield
        db.execute("DROP FUNCTION say_no CASCADE")


@pytest.mark.parametrize("code", ["54000", "54001", "53400", "55000", "22001"])
def test_what_the_database_does_not_take_is_no_outage(postgres_dsn: str, code: str) -> None:
    """It is said at once, and holds up nobody else; a fact is told, and written when it is taken."""
    with PostgresJournal(postgres_dsn) as journal:
        paid = go(journal, "odd")
        with refusing(postgres_dsn, "odd", code):
            with pytest.raises(JournalFailed, match="that is too much") as failed:
                journal.submitted(paid, 7)
            assert failed.value.task_id == 7
            assert ask(journal, "odd").task_id == 7
            assert go(journal, "another").key == "another"
            assert [entry.key for entry in journal.entries()] == ["odd", "another"]
        with refusing(postgres_dsn, "new", code), pytest.raises(JournalFailed, match="that is too much"):
            journal.intend(API, "new", ROOM, 20)
        with PostgresJournal(postgres_dsn) as other:
            assert ask(other, "odd").task_id == 7


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (psycopg.OperationalError(), True),  # of libpq: the connection
        (psycopg.InterfaceError(), True),
        (psycopg.ProgrammingError(), False),
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.IdleInTransactionSessionTimeout(), True),
        (psycopg.errors.SerializationFailure(), True),
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.QueryCanceled(), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CrashShutdown(), True),
        (psycopg.errors.CannotConnectNow(), True),
        (psycopg.errors.IoError(), True),
        (psycopg.errors.DiskFull(), False),
        (psycopg.errors.ConfigurationLimitExceeded(), False),
        (psycopg.errors.ProgramLimitExceeded(), False),
        (psycopg.errors.StatementTooComplex(), False),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.errors.ReadOnlySqlTransaction(), False),
        (psycopg.errors.UndefinedTable(), False),
    ],
    ids=lambda each: type(each).__name__,
)
def test_some_errors_pass(error: psycopg.Error, passes: bool) -> None:
    """The way to the database, or who else uses it; not what it says to this statement."""
    assert is_passing(error) is passes


def test_a_row_that_stays_locked_fails_though_others_are_answered(
    monkeypatch: pytest.MonkeyPatch, postgres_dsn: str
) -> None:
    """Nothing waits for ever: somebody has left a transaction open over the row of one key."""
    monkeypatch.setattr(rooms, "STATEMENT_TIMEOUT", 3.0)
    monkeypatch.setattr(rooms, "RECONNECT", -1.0)
    monkeypatch.setattr(rooms, "OUTAGE", 0.0)
    lock = "SELECT 1 FROM ideal_async.entries WHERE key = 'locked' FOR UPDATE"
    limits = Limits(posts=1)
    with PostgresJournal(postgres_dsn, limits=limits) as journal, psycopg.connect(postgres_dsn) as somebody:
        journal.refused(go(journal, "locked"), "no")
        somebody.execute(lock)
        assert is_busy(journal, "locked")
        assert go(journal, "another").key == "another"
        with pytest.raises(JournalFailed, match=r"lock timeout.*it has been away for"):
            is_busy(journal, "locked")
        somebody.rollback()
        assert is_busy(journal, "locked")  # the other one is on its way: that is an answer as well
        somebody.execute(lock)
        assert is_busy(journal, "locked")


def test_an_outage_is_everybody_s_or_that_of_a_key() -> None:
    """It lasts until the key is answered; whoever has not asked for long had given up, and begins anew."""
    outage = Outage()
    assert [outage.failed("a", now) for now in (10.0, 20.0)] == [0.0, 10.0]
    assert outage.failed("b", 30.0) == 20.0  # everybody's
    outage.ended("b")
    assert outage.failed("b", 40.0) == 0.0
    assert outage.failed("a", 50.0) == 40.0  # its own
    outage.ended("a")
    assert outage.failed("a", 60.0) == 0.0
    outage.ended("b")
    assert outage.failed("a", 1270.0) == 0.0


# Databases that must not be used


def test_a_standby_is_refused_until_it_writes() -> None:
    """It would take no intent; that is said at the first word, and not waited for."""
    with open_postgres() as standby:
        data = Path(standby.say("SHOW data_directory").strip())
        standby.stop()
        (data / "standby.signal").touch()
        standby.start()
        with PostgresJournal(standby.dsn()) as journal:
            with pytest.raises(JournalFailed, match="this database only reads: name the one that writes"):
                journal.open()
            with pytest.raises(JournalFailed, match="this database only reads"):
                journal.intend(API, "a", ROOM, 20)
            standby.say("SELECT pg_promote()")
            assert go(journal, "a").key == "a"


def test_a_database_that_begins_to_forget_is_refused() -> None:
    """`fsync` may be switched off while everybody works: nothing is intended or sent any more."""
    with open_postgres() as forgetful, PostgresJournal(forgetful.dsn()) as journal:
        intent = go(journal)
        forgetful.say("ALTER SYSTEM SET fsync = off")
        forgetful.say("SELECT pg_reload_conf()")
        wait_until(lambda: forgetful.say("SHOW fsync") == "off\n")
        with pytest.raises(JournalFailed, match="fsync = off"):
            journal.confirm(intent)
        with pytest.raises(JournalFailed, match="fsync = off"):
            is_busy(journal, "b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("/postgres", "/nowhere"), r'"nowhere" does not exist.*: make it \(createdb\)'),
        (("tests@", "nobody@"), 'role "nobody" does not exist.*: mend the DSN'),
    ],
)
def test_what_no_waiting_mends_is_said_at_once(postgres: Postgres, change: tuple[str, str], words: str) -> None:
    """A client would wait for ten minutes otherwise; what has worked once is waited for."""
    with PostgresJournal(postgres.dsn().replace(*change)) as journal:
        with pytest.raises(JournalFailed, match=words):
            journal.open()
        with pytest.raises(JournalFailed, match=words):
            journal.intend(API, "a", ROOM, 20)


@pytest.mark.parametrize("password", ["se@cret", "se/cr@et", "se:cret@", "sec%ret", "se?cret", "se#cr@t/"])
def test_no_part_of_a_password_is_repeated(password: str) -> None:
    """What is not written as a URL wants it, libpq takes for a host or a port, and says so."""
    journal = PostgresJournal(f"postgresql://me:{password}@127.0.0.1:1/videos")
    said = repr(journal)
    try:
        journal.open()
        journal.find(API, "a")
    except JournalFailed as error:
        said += f"{error} {error.__cause__} {error.__context__}"
    assert "cret" not in said
    assert "cr@" not in said


def test_the_password_is_in_no_frame() -> None:
    """A reporter of crashes shows the variables of each."""
    with PostgresJournal("postgresql://me:s3cret@127.0.0.1:1/videos") as journal:
        with pytest.raises(JournalFailed) as failed:
            journal.find(API, "a")
        error: BaseException | None = failed.value
        seen = 0
        while error is not None:
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if frame.f_code.co_filename != __file__:
                    seen += 1
                    assert "s3cret" not in repr(frame.f_locals)
            error = error.__cause__ or error.__context__
        assert seen > 3
        with pytest.raises(JournalFailed, match=r"connection failed|refused"):
            journal.exists()


# A database that is frozen, or gone


def freeze_sessions(postgres: Postgres) -> list[int]:
    """Stop the processes that serve journals; they hold their locks, and answer nothing."""
    listed = postgres.say("SELECT pid FROM pg_stat_activity WHERE application_name = 'ideal_async'").split()
    for pid in listed:
        os.kill(int(pid), signal.SIGSTOP)
    return [int(pid) for pid in listed]


@pytest.fixture
def thawing() -> Iterator[list[int]]:
    """Processes that go on in the end."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_session_that_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch, thawing: list[int]) -> None:
    """Its own timeout is frozen with it: the client has one too, and goes on in a new session."""
    monkeypatch.setattr(rooms, "STATEMENT_TIMEOUT", 0.5)
    monkeypatch.setattr(databases, "OVERDUE", 0.0)
    with open_postgres() as frozen, PostgresJournal(frozen.dsn()) as journal:
        intent = go(journal)
        thawing += freeze_sessions(frozen)
        assert journal.find(API, "order") is not None
        assert journal.confirm(intent) is True
        for pid in thawing:
            os.kill(pid, signal.SIGCONT)
        thawing.clear()


def test_a_frozen_database_does_not_hold_up_the_closing(monkeypatch: pytest.MonkeyPatch, thawing: list[int]) -> None:
    """Whoever waits for an answer is told, and what was owed is named."""
    monkeypatch.setattr(rooms, "PATIENCE", 3600.0)
    failed: list[JournalFailed] = []
    with open_postgres() as frozen:
        journal = PostgresJournal(frozen.dsn())
        intent = go(journal)
        thawing += freeze_sessions(frozen)

        def tell() -> None:
            try:
                journal.submitted(intent, 7)
            except JournalFailed as error:
                failed.append(error)

        thread = threading.Thread(target=tell)
        thread.start()
        wait_until(lambda: journal._session._using.acquire(blocking=False) is False)
        began = time.monotonic()
        with suppress(JournalFailed):
            anyio.run(journal.aclose)
        took = time.monotonic() - began
        thread.join(PATIENCE)
        assert [error.task_id for error in failed] == [7]
        assert took < OVERDUE + rooms.STATEMENT_TIMEOUT, "its own timeouts would have ended it"
        for pid in thawing:
            os.kill(pid, signal.SIGCONT)
        thawing.clear()


def test_a_database_that_takes_no_connections_does_not_hold_up_the_closing() -> None:
    """It is tried to connect to; the closing does not wait until that has failed."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        journal = PostgresJournal(f"postgresql://tests@127.0.0.1:{silent.getsockname()[1]}/none?sslmode=disable")
        thread = threading.Thread(target=journal.open)  # says nothing: whoever asks is told
        thread.start()
        accepted, _ = silent.accept()
        began = time.monotonic()
        journal.close()
        accepted.close()
        thread.join(PATIENCE)
        assert time.monotonic() - began < 4.5, "a connection is tried for five seconds"


@pytest.mark.parametrize("away", ["frozen", "killed"])
def test_a_database_that_is_away_does_not_hold_up_a_client(thawing: list[int], away: str) -> None:
    """Neither what waits to be sent nor what was paid keeps it for as long as that is tried otherwise."""
    took: list[float] = []

    async def close_without_database(database: Postgres, journal: PostgresJournal) -> None:
        answered = anyio.Event()

        async def answer_later(_: Any) -> Any:
            await answered.wait()
            return answer(ID)

        client = client_of(Service(submit=answer_later, look=look()), journal=journal)
        async with anyio.create_task_group() as callers:
            async with client:
                await client.lookup("none")
                for key in "ab":
                    callers.start_soon(ignore_failure, client.submit, key)
                await anyio.sleep(0.5)  # one of them is on its way
                if away == "frozen":
                    thawing.extend(freeze_sessions(database))
                else:
                    database.kill()
                callers.start_soon(ignore_failure, client.submit, "c")
                await anyio.sleep(0.5)  # it waits for the journal
                answered.set()
                began = time.monotonic()
            took.append(time.monotonic() - began)

    async def ignore_failure(submit: Any, key: str) -> None:
        with suppress(IdealError):
            await submit(ROOM, key=key)

    with open_postgres() as database:
        journal = PostgresJournal(database.dsn())
        anyio.run(close_without_database, database, journal)
        began = time.monotonic()
        with suppress(JournalFailed):
            journal.close()
        took.append(time.monotonic() - began)
        for pid in thawing:
            os.kill(pid, signal.SIGCONT)
        thawing.clear()
    print(f"{away}: the client took {took[0]:.1f} s, the journal {took[1]:.1f} s")  # noqa: T201 - the figure
    assert took[0] < (rooms.STATEMENT_TIMEOUT + OVERDUE if away == "frozen" else rooms.PATIENCE)
    assert took[1] < OVERDUE


# Processes that share a database


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "T"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells whether a process is stopped")
@pytest.mark.parametrize("at", ["intend", "confirm"])
def test_a_frozen_sender_whose_key_was_released_does_not_send(
    server: CountingServer, postgres: Postgres, postgres_dsn: str, at: str
) -> None:
    """It was stopped behind the journal's word; meanwhile it was declared dead, and another host has paid its key."""
    child: Any = FORKS.Process(target=crash_worker.run_frozen, args=(url_of(server), postgres_dsn, "order", at))
    child.start()
    wait_until(lambda: is_stopped(child.pid))
    postgres.say("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'ideal_async'")
    with PostgresJournal(postgres_dsn) as journal:
        journal.open()
        assert [entry.state for entry in journal.entries()] == ["unknown"]
        journal.release("order", force=True)
        origin = next(iter(journal.entries())).origin
        journal.submitted(go(journal, "order", crash_worker.request_of("order"), origin), ID)
        time.sleep(0.3)  # older than a confirmation counts, in that process
        os.kill(child.pid, signal.SIGCONT)
        child.join(PATIENCE)
        assert child.exitcode == 0
        assert server.created == {}
        assert [entry.task_id for entry in journal.entries()] == [ID]


def test_a_process_that_is_frozen_in_the_middle_is_in_nobody_s_way(
    monkeypatch: pytest.MonkeyPatch, postgres_dsn: str
) -> None:
    """It holds the lock under which everybody's limits are decided; the database ends its session soon."""
    monkeypatch.setattr(rooms, "STATEMENT_TIMEOUT", 1.0)
    holds, thaws = threading.Event(), threading.Event()

    def freeze(db: Any) -> None:
        lock_gate(db, API, "")
        holds.set()
        thaws.wait(2 * PATIENCE)

    with PostgresJournal(postgres_dsn) as frozen, PostgresJournal(postgres_dsn) as other:
        other.open()
        thread = threading.Thread(target=lambda: frozen._session.write(freeze))
        thread.start()
        assert holds.wait(PATIENCE)
        try:
            wait_until(lambda: not is_busy(other, "a"))
        finally:
            thaws.set()
            thread.join(PATIENCE)  # in a new session


def test_a_pause_reaches_every_host_within_a_second(server: CountingServer, postgres_dsn: str) -> None:
    """By the clock of the service: nothing comes later, from hosts in the middle of their submits; then all goes on."""
    times: list[float] = []
    server.on_create = lambda: times.append(time.monotonic())
    keys = [str(number) for number in range(200)]
    hosts: list[Any] = [
        FORKS.Process(target=crash_worker.run_shared, args=(url_of(server), postgres_dsn, keys[host::2]))
        for host in range(2)
    ]
    for host in hosts:
        host.start()
    wait_until(lambda: len(times) > 10)
    with PostgresJournal(postgres_dsn) as journal:
        journal.pause()
        paused_at = time.monotonic()
        time.sleep(2.5)
        came = len(times)
        last = max(times) - paused_at
        assert came < len(keys), "they were not in the middle of it"
        assert last < 1.0
        journal.unpause()
    for host in hosts:
        host.join(PATIENCE)
    print(f"{came} of {len(keys)} were sent when it was paused; the last came {last:.3f} s after that")  # noqa: T201 - the figure
    assert len(times) == len(server.created) == len(keys)
