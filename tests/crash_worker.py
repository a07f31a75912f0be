"""What runs in the process that is killed: a paid batch over a journal."""

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

import ideal_async._journal.file_store
from ideal_async import AsyncClient, ImageToVideo, Journal, JournalStore, Pacing, SubmissionUnknown, batch

IN_FLIGHT = 20


def request_of(key: str) -> ImageToVideo:
    """The request of a key; its prompt tells the server which key it is."""
    return ImageToVideo("https://example.com/room.jpg?signature=1", duration=5, resolution="480p", prompt=key)


async def run_batch(url: str, journal: JournalStore, keys: list[str]) -> None:
    # Looks as fast as the server answers: the kills, not the waiting, are the subject.
    pacing = Pacing(min_interval=0.02, max_interval=0.05)
    jobs = [(key, request_of(key)) for key in keys]
    async with (
        AsyncClient("sandbox", base_url=url, journal=journal, pacing=pacing) as client,
        batch(client, jobs, max_in_flight=IN_FLIGHT) as outcomes,
    ):
        async for outcome in outcomes:
            # What an earlier crash left in doubt is the parent's to look into; anything else is a defect.
            assert outcome.error is None or isinstance(outcome.error, SubmissionUnknown), outcome


def run(url: str, path: Path, keys: list[str]) -> None:
    """Work until killed from outside."""
    with Journal(path) as journal:
        anyio.run(run_batch, url, journal, keys)


def run_shared(url: str, dsn: str, keys: list[str]) -> None:
    """Work until killed from outside, with a journal that other hosts share."""
    from ideal_async.postgres import Limits, PostgresJournal

    with PostgresJournal(dsn, limits=Limits(posts=8, in_flight=60)) as journal:
        anyio.run(run_batch, url, journal, keys)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Kills this process at a given tick."""

    def __init__(self, ticks: int) -> None:
        self.left = ticks

    def tick(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            die()


class DoomedJournal(Journal):
    """Ticks before and behind each write."""

    def __init__(self, path: Path, countdown: Countdown) -> None:
        self._countdown = countdown
        super().__init__(path)

    def _around(self, write: Callable[..., Any], *args: Any, **more: Any) -> Any:
        self._countdown.tick()
        result = write(*args, **more)
        self._countdown.tick()
        return result

    def intend(self, *args: Any, **more: Any) -> Any:
        return self._around(super().intend, *args, **more)

    def submitted(self, *args: Any, **more: Any) -> Any:
        return self._around(super().submitted, *args, **more)

    def settle(self, *args: Any, **more: Any) -> Any:
        return self._around(super().settle, *args, **more)


def run_to_boundary(url: str, path: Path, keys: list[str], ticks: int) -> None:
    """Die at a boundary between two journal writes."""
    with DoomedJournal(path, Countdown(ticks)) as journal:
        anyio.run(run_batch, url, journal, keys)


def run_to_statement(url: str, path: Path, keys: list[str], ticks: int) -> None:
    """Die at an SQL statement, in the middle of a transaction or of making the file."""
    countdown = Countdown(ticks)
    connect = ideal_async._journal.schema.connect

    def watched(*args: Any, **more: Any) -> sqlite3.Connection:
        db = connect(*args, **more)
        db.set_trace_callback(countdown.tick)
        return db

    vars(ideal_async._journal.file_store)["connect"] = watched
    run(url, path, keys)


def run_frozen(url: str, dsn: str, key: str, at: str) -> None:
    """Be stopped behind the journal's word that a key may be sent; whoever lets this process go on is to be feared."""
    import ideal_async._session
    from ideal_async.postgres import PostgresJournal

    vars(ideal_async._session)["CONFIRMED_FOR"] = 0.2

    class Freezing(PostgresJournal):
        def intend(self, *args: Any, **more: Any) -> Any:
            return self._freeze(at == "intend", super().intend(*args, **more))

        def confirm(self, intent: Any) -> Any:
            return self._freeze(at == "confirm", super().confirm(intent))

        def _freeze(self, here: bool, answer: Any) -> Any:
            nonlocal at
            if here:
                at = ""
                os.kill(os.getpid(), signal.SIGSTOP)
            return answer

    with Freezing(dsn) as journal:
        anyio.run(run_batch, url, journal, [key])
