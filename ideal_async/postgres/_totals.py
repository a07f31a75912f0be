"""How far all hosts together are: jobs and credits of each batch, tasks that hold no place, and totals made anew."""

from collections.abc import Mapping
from functools import partial

from ideal_async import Entry
from ideal_async._identity import origin_of
from ideal_async._journal import encode_time

from ._connection import patiently
from ._gate import STALE
from ._manifests import Manifested
from ._portable import Portable


class Counted(Manifested):
    """A journal that adds up what all hosts have done."""

    def progress(self, batch: str, origin: str, *, account: str = "") -> Mapping[str, tuple[int, int]]:
        """Count the jobs of a batch, and their credits, by state; quick however many there are.

        Args:
            batch: What stands before the last slash of its keys; `""`: of those without one.
            origin: Any URL of the API.
            account: That pays.

        Returns:
            For each state that there is, jobs and credits.

        Raises:
            JournalFailed: It cannot be read.
        """
        return self.batches(origin, account=account, only=batch).get(batch, {})

    def batches(
        self, origin: str, *, account: str = "", only: str | None = None
    ) -> Mapping[str, Mapping[str, tuple[int, int]]]:
        """Count the jobs of all batches: see `progress`.

        Args:
            origin: Any URL of the API.
            account: That pays.
            only: Only this batch.

        Raises:
            JournalFailed: It cannot be read.
        """
        work = partial(_count_batches, batch=only, origin=origin_of(origin), account=account)
        return self._session.read(work)

    def stale(self, origin: str, *, account: str = "") -> list[Entry]:
        """List the tasks that the API denies, or that nobody saw end for a day; oldest first.

        They are spent, and hold no place in flight.

        Raises:
            JournalFailed: It cannot be read.
        """
        here = {"origin": origin_of(origin), "account": account, "since": encode_time(self._now() - STALE)}
        ids = self._session.read(partial(_find_stale, here=here))
        return list(self._pages_of(ids, "submitted"))

    def recount(self) -> int:
        """Make all totals anew from the rows: of tasks in flight, credits and batches. Others wait meanwhile.

        Triggers keep the totals, so they are right unless somebody has changed the tables in another way.

        Returns:
            How many of them were wrong.

        Raises:
            JournalFailed: It cannot be done.
        """
        return self._session.write(_recount)


def _count_batches(db: Portable, batch: str | None, origin: str, account: str) -> dict[str, dict[str, tuple[int, int]]]:
    rows = db.execute(
        "SELECT batch, state, jobs, credits FROM progress WHERE origin = :origin AND account = :account "
        "AND batch = coalesce(:batch, batch) AND jobs > 0 ORDER BY batch, state",
        {"origin": origin, "account": account, "batch": batch},
    ).fetchall()
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for name, state, jobs, credits_ in rows:
        found.setdefault(name, {})[state] = (int(jobs), int(credits_))
    return found


def _find_stale(db: Portable, here: Mapping[str, str]) -> list[int]:
    rows = db.execute(
        "SELECT id FROM entries WHERE origin = :origin AND account = :account AND state = 'submitted' "
        "AND (denied OR created_at <= :since) ORDER BY id",
        dict(here),
    ).fetchall()
    return [id_ for (id_,) in rows]


def _recount(db: Portable) -> int:
    with patiently(db.connection):
        (wrong,) = db.execute("SELECT recount()").fetchone() or (0,)
    return int(wrong)
