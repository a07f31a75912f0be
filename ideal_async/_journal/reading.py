"""What a journal answers, whatever database carries it: the entry of a key, all entries, and what was spent."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import attrs

from ideal_async._identity import check_key, origin_of

from . import queries
from .entries import STATES, Entry, State, decode_entry, encode_time

T = TypeVar("T")

#: Entries fetched at once: about half a megabyte.
_PAGE = 500


@attrs.frozen
class Owed:
    """What became of an attempt; kept while it cannot be written."""

    key: str
    attempt: str
    state: State
    task_id: int | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return f"{self.state}{'' if self.task_id is None else f' as task {self.task_id}'}"


class Transactions(Protocol):
    """What carries a store's steps: each runs whole or not at all, and is durable when its caller goes on."""

    def check(self) -> None:
        """Refuse a store that is closed, or came through a fork."""

    def read(self, work: Callable[[Any], T]) -> T:
        """Run *work* over what is committed and return its result."""
        ...

    def write(self, work: Callable[[Any], T], *, owed: object = None) -> T:
        """Run *work* in a transaction and return its result once that is durable; it may run twice.

        Args:
            work: Is given the `Database`, inside a transaction.
            owed: What it says, if that has happened already: should the write fail, it is done later all the same, and
                `owed` tells of it until then.
        """
        ...

    def owed(self) -> list[Any]:
        """Return what is not written yet though it has happened, newest first."""
        ...


class Reader(ABC):
    """What every journal answers."""

    @property
    @abstractmethod
    def _commits(self) -> Transactions:
        """What carries the steps."""

    def find(self, origin: str, key: str, *, account: str = "") -> Entry | None:
        """Look a key up, without asking whether its owner lives.

        Args:
            origin: Any URL of the API.
            key: The caller's.
            account: That pays.

        Raises:
            JournalFailed: It cannot be read.
            TypeError: *key* is no text.
            ValueError: *key* can be no key.
        """
        find = partial(queries.find, origin=origin_of(origin), account=account, key=check_key(key))
        row = self._commits.read(find)
        return None if row is None else self._entries([row])[0]

    def entries(
        self,
        state: State | None = None,
        *,
        keys: Iterable[str] | None = None,
        origin: str | None = None,
        account: str | None = None,
    ) -> Iterator[Entry]:
        """Go through the entries, oldest first; read in pages, so that a long journal costs little memory.

        Args:
            state: Only entries in this state.
            keys: Only entries of these keys.
            origin: Only entries of this API, such as `"https://api.ideal.house"`; all by default.
            account: Only entries of this account; all by default.

        Raises:
            ValueError: There is no such state.
            JournalFailed: It cannot be read.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}, not {state!r}")
        self._commits.check()
        origin = None if origin is None else origin_of(origin)
        if keys is None:
            return self._pages(state, origin, account)
        return self._pages_of(
            self._commits.read(partial(queries.find_ids, keys=keys, origin=origin, account=account)), state
        )

    def entries_of_tasks(self, task_ids: Iterable[int]) -> Iterator[Entry]:
        """Go through the entries of some tasks, oldest first.

        Args:
            task_ids: Their ids; what the journal does not know is left out.

        Raises:
            JournalFailed: It cannot be read.
        """
        return self._pages_of(self._commits.read(partial(queries.find_ids_of_tasks, task_ids=task_ids)), None)

    def spent(
        self, origin: str, keys: Iterable[str] | None = None, since: datetime | None = None, *, account: str = ""
    ) -> int:
        """Add up what was spent so far, in credits.

        Counts what was paid, is being sent, or may have been paid (`unknown`); not what came back (`Entry.refunded`),
        was refused, or was released from a doubt. A task whose answer came after the release of its key counts for
        that key, and so does one that ended without a promise of refund. Pruned entries still count, unless *keys* are
        named.

        Args:
            origin: Any URL of the API.
            keys: Only these.
            since: Only what was sent from then on.
            account: That paid.

        Raises:
            ValueError: *since* has no time zone.
            JournalFailed: It cannot be read.
        """
        begin = None if since is None else encode_time(since)
        work = queries.sum_spending if keys is None else partial(queries.sum_credits, keys=keys)
        return self._commits.read(partial(work, origin=origin_of(origin), account=account, since=begin))

    def _pages(self, state: State | None, origin: str | None, account: str | None) -> Iterator[Entry]:
        last: int | None = 0
        while last is not None:
            page = self._commits.read(
                partial(queries.read_page, state=state, origin=origin, account=account, after=last, size=_PAGE)
            )
            yield from self._entries(page)
            last = page[-1][-1] if len(page) == _PAGE else None

    def _pages_of(self, ids: Sequence[int], state: State | None) -> Iterator[Entry]:
        for first in range(0, len(ids), _PAGE):
            yield from self._entries(
                self._commits.read(partial(queries.read_rows, ids=ids[first : first + _PAGE], state=state))
            )

    def _entries(self, rows: Sequence[queries.Row]) -> list[Entry]:
        """Read entries as they are, also where that is not written down yet."""
        owed = {owed.attempt: owed for owed in self._commits.owed()}
        return [_apply(decode_entry(row[:-2]), owed.get(row[-2])) for row in rows]


def _apply(entry: Entry, owed: Owed | None) -> Entry:
    if owed is None or entry.state not in {"intended", "unknown"}:
        return entry
    return attrs.evolve(entry, state=owed.state, task_id=owed.task_id, reason=owed.reason)
