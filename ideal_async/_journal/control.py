"""What a person decides about the entries of any store, having looked at the account."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from ideal_async._identity import check_id, check_key, origin_of

from . import decisions
from .entries import Entry, State, encode_time
from .queries import Row
from .store import Store


class Controlled(Store):
    """A store with the verbs of a person: see `JournalControl`."""

    def release(
        self,
        key: str,
        *,
        origin: str | None = None,
        account: str | None = None,
        task_id: int | None = None,
        force: bool = False,
    ) -> Entry:
        """Allow an `unknown` key to be sent again: you have made sure that it was not paid, or you accept to pay again.

        The entry becomes `refused`, with the reason "released …", and its credits count as not spent. If the lost
        answer comes after all, the task is not forgotten: it answers for the key if that was not sent again by then,
        and otherwise gets an entry of its own, whose key begins with this one.

        A `failed` key may go again as well, if you name the task that failed: called twice, this frees it once.

        Args:
            key: Of the entry.
            origin: Of the API; needed only if the key was used with several.
            account: That pays; needed only if the key was used by several.
            task_id: Of the failed task.
            force: Also if it was sent less than two minutes ago, so that its answer may still come; or if it failed in
                a copy that was restored, and so may have been paid again since.

        Returns:
            The entry as it is now. One that is `refused` already stays as it is.

        Raises:
            ValueError: There is no such entry, there are several, it is in another state, or it is too early.
            JournalFailed: It cannot be written.
        """
        work = partial(decisions.release, task_id=task_id, force=force)
        return self._decide(work, key, origin, account)

    def adopt(
        self, key: str, task_id: int, *, origin: str | None = None, account: str | None = None, force: bool = False
    ) -> Entry:
        """Say which task an `unknown` key has become: you have found it in your account.

        The entry becomes `submitted`. If another id comes as the late answer after all, that task gets an entry of its
        own. `AsyncClient.adopt` also looks at the task, and compares it with what was asked.

        Args:
            key: Of the entry.
            task_id: Of its task.
            origin: Of the API; needed only if the key was used with several.
            account: That pays; needed only if the key was used by several.
            force: Also if another key is in doubt with an equal request.

        Raises:
            ValueError: There is no such entry, there are several, it is in another state, another key has that task,
                or the task may just as well be that of another key.
            JournalFailed: It cannot be written.
        """
        return self._decide(partial(decisions.adopt, task_id=check_id(task_id), force=force), key, origin, account)

    def prune(self, *, before: datetime, dry_run: bool = False) -> dict[State, int]:
        """Delete what is settled (`succeeded`, `failed`, `refused`) and has not changed since *before*.

        A pruned key is forgotten: using it again sends, and pays, again. What it cost is not: `spent` still counts it.

        Args:
            before: With a time zone.
            dry_run: Only count.

        Returns:
            The number of entries deleted, or to be deleted, of each state.

        Raises:
            ValueError: *before* has no time zone.
            JournalFailed: It cannot be written.
        """
        return self._commits.write(partial(decisions.prune, before=encode_time(before), dry_run=dry_run))

    def _decide(self, work: Callable[..., Row], key: str, origin: str | None, account: str | None) -> Entry:
        where = None if origin is None else origin_of(origin)
        row = self._commits.write(
            partial(work, key=check_key(key), origin=where, account=account, is_alive=self._is_alive, now=self._time())
        )
        return self._entries([row])[0]
