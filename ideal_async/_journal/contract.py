"""What a client needs of a journal, so that a store other than SQLite can keep it; what a person asks stands apart."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import attrs

from ideal_async._identity import check_account, check_key, origin_of
from ideal_async._models import ImageToVideo, Task

from .entries import Entry, State, check_time, encode_request


@attrs.frozen(eq=False)
class Intent:
    """The right to send one request once. Keep it until you have reported what came of it; forgotten, it is `unknown`.

    Attributes:
        origin: Scheme, host and port of the API.
        key: The caller's, or one made up.
        attempt: Names this intent among all that the key ever had.
        credits: What the request costs; `None` if that is not known.
        created_at: In UTC.
        fingerprint: Of the request.
        request: As it stands in the journal.
        account: Name of the account that pays.
        holds_for: Seconds, counted from before it was asked for, in which it cannot be lost, so that the first send
            needs no confirmation.
    """

    origin: str
    key: str
    attempt: str
    credits: int | None
    created_at: datetime
    fingerprint: str
    request: str = attrs.field(repr=False)
    account: str = ""
    holds_for: float = 0.0


@attrs.frozen
class Busy:
    """Not now: ask again. It counts as false, like the `False` of `JournalStore.confirm`: nothing may be sent.

    Attributes:
        seconds: To wait before asking again.
        reason: Why, in a few words.
    """

    seconds: float
    reason: str = ""

    def __bool__(self) -> bool:
        return False


def _check_time_zone(_: object, attribute: "attrs.Attribute[datetime]", when: datetime) -> None:
    check_time(when, attribute.name)


@attrs.frozen
class Cap:
    """A limit on what one account spends at one API from a time on, over all processes that use the journal.

    Attributes:
        credits: That may be spent, from *since* on.
        since: With a time zone.
    """

    credits: int
    since: datetime = attrs.field(validator=_check_time_zone)

    def check_price(self, key: str, credits: int | None) -> int:
        """Return what is needed of this cap.

        Raises:
            ValueError: The price is not known, so that no limit on spending can hold.
        """
        if credits is None:
            raise ValueError(
                f"what key {key!r} costs is not known, so a budget cannot cover it: pass prices= with its price, or no "
                "budget"
            )
        return credits


class JournalStore(Protocol):
    """Remembers what every request became; `Journal` keeps it in a file, other stores may share it between hosts.

    The client calls every method in a thread, many at a time, and never in the event loop. A method that writes returns
    when what it wrote is durable. *origin* may be any URL of the API: `origin_of` names the rows.
    *account* is a name that the caller gave (`""` by default), never anything of the API key; rows of two accounts have
    nothing to do with each other. A key and an account have at most 1,000 bytes of UTF-8 and no U+0000. `intend`
    refuses to begin a longer one; what an older journal has under it can still be found, released and adopted.

    A store that limits what is in flight has two methods more, for a task that nobody follows would hold its place for
    ever: `take_over(origin, *, account)`, which every client calls as a follower calls `follow`, and
    `denied(origin, task_id, *, account)` for a task that the API does not know. One that may be out of reach may have
    `hurry()`, which a client calls that closes: whoever waits gets an error at once.

    What is known is answered, even while it cannot be written: after a `submitted` that raised, `intend` and `find` in
    the same process answer with the task id, and the write is tried again with the next.
    """

    def open(self) -> None:
        """Get ready; called before anything else, maybe several times. A constructor need not do any input or output.

        Raises:
            JournalFailed: It cannot be used; the message names the fix.
        """
        ...

    def close(self) -> None:
        """Finish the writes under way and let go; closing twice is fine.

        Raises:
            JournalFailed: Some writes were lost; the message names the ids in them.
        """
        ...

    def idle(self) -> None:
        """Use a quiet moment: the client calls it when it has asked for nothing for a second. Never raises."""
        ...

    def intend(
        self,
        origin: str,
        key: str | None,
        request: ImageToVideo,
        credits: int | None,
        *,
        account: str = "",
        cap: Cap | None = None,
    ) -> Intent | Entry | Busy:
        """Ask to send *request*, in one step with the question whether that key was sent before.

        Args:
            origin: Of the API.
            key: The caller's; `None` makes one up.
            request: What is to be sent.
            credits: What it costs; `None` if that is not known.
            account: That pays.
            cap: What may be spent in all, decided in the same step over the rows of this origin and account.

        Returns:
            An `Intent`: `confirm` it, send, and then say what came of it: `withdraw`, `submitted`, `refused` or
            `unknown`. Or the key's `Entry`, which is `submitted`, `succeeded`, `failed` or `unknown`. Or `Busy`: a
            living process is sending this key, or a limit is reached.

        Raises:
            TypeError: *key* is no text.
            ValueError: The key was used for a different request, or can be no key; or there is a cap and no price, or
                it counts from a time on that is not yet come.
            BudgetExceeded: The cap does not cover it.
            JournalFailed: Nothing was written, so nothing may be sent.
        """
        ...

    def confirm(self, intent: Intent) -> bool | Busy:
        """Ask whether *intent* still holds; immediately before every single send, re-sends included.

        A process that froze between intent and request must not send what a person has released meanwhile. Only a send
        within `Intent.holds_for` goes without.

        Returns:
            `True`: send now. `False`: it is not yours any more; `withdraw` it if nothing was sent, and `intend` again.
            `Busy`: not now; everybody pauses, or a limit is reached.

        Raises:
            JournalFailed: It cannot be known, so nothing may be sent.
        """
        ...

    def withdraw(self, intent: Intent) -> None:
        """Take an intent back: nothing was sent, and the key is as it was before."""
        ...

    def submitted(self, intent: Intent, task_id: int) -> None:
        """Write down the id of a paid task. A late answer is welcome, whatever the key has become meanwhile.

        Raises:
            JournalFailed: It could not be written; it is tried again with the next write. Its `task_id` is the id.
        """
        ...

    def refused(self, intent: Intent, reason: str) -> None:
        """Write down that the API said no: nothing was created, and the key may be used again."""
        ...

    def unknown(self, intent: Intent) -> None:
        """Write down that the request was sent and no answer came."""
        ...

    def settle(
        self, origin: str, task_id: int, task: Task | None, *, reason: str | None = None, account: str = ""
    ) -> None:
        """Write down how a task ended. A task the journal does not know, or knows to have ended, is left alone.

        Args:
            origin: Of the API.
            task_id: Its id.
            task: The last look at it; `None` if the API answered with an error that ends it (9038): it has failed.
                Whether its credits come back follows from it: `Task.refunded`, and 9038 promises that they do.
            reason: Why it failed, where that is known.
            account: That paid.
        """
        ...

    def find(self, origin: str, key: str, *, account: str = "") -> Entry | None:
        """Look a key up, without asking whether its owner lives."""
        ...

    def entries(
        self,
        state: State | None = None,
        *,
        keys: Iterable[str] | None = None,
        origin: str | None = None,
        account: str | None = None,
    ) -> Iterator[Entry]:
        """Go through the entries, oldest first, in pages; all of them unless narrowed down."""
        ...

    def spent(
        self, origin: str, keys: Iterable[str] | None = None, since: datetime | None = None, *, account: str = ""
    ) -> int:
        """Add up credits that were paid, are being sent or may have been paid; of all keys unless some are named."""
        ...

    def follow(self, origin: str, *, account: str = "") -> Sequence[Entry]:
        """Take over the `submitted` tasks that nobody follows: their follower is dead, has let go, or never was.

        A task is followed by the store that wrote its id down, as long as that lives. Call it at the start and every
        now and then; whoever calls it follows what it returns, until `unfollow`, `close` or death.
        """
        ...

    def unfollow(self, origin: str, *, account: str = "") -> None:
        """Let go of what this store follows, so that another process may take it over."""
        ...

    def sweep(self) -> int:
        """Turn what dead owners were about to send into `unknown`; return how many that were."""
        ...


@runtime_checkable
class JournalControl(Protocol):
    """What a person decides about a journal's entries, having looked at the account."""

    def release(
        self,
        key: str,
        *,
        origin: str | None = None,
        account: str | None = None,
        task_id: int | None = None,
        force: bool = False,
    ) -> Entry:
        """Allow an `unknown` key to be sent again, or with its *task_id* a `failed` one."""
        ...

    def adopt(
        self, key: str, task_id: int, *, origin: str | None = None, account: str | None = None, force: bool = False
    ) -> Entry:
        """Say which task an `unknown` key has become: it is `submitted` from now on."""
        ...

    def prune(self, *, before: datetime, dry_run: bool = False) -> dict[State, int]:
        """Delete what is settled and has not changed since *before*; return how many of each state."""
        ...


def new_intent(
    origin: str,
    key: str | None,
    request: ImageToVideo,
    credits: int | None,
    *,
    account: str,
    now: datetime,
    holds_for: float = 0.0,
) -> Intent:
    """Make an intent with a name of its own, as every store needs it.

    Raises:
        TypeError: *key* or *account* is no text.
        ValueError: *key* or *account* cannot be written, or *origin* is no URL.
    """
    return Intent(
        origin=origin_of(origin),
        key=uuid.uuid4().hex if key is None else check_key(key),
        attempt=uuid.uuid4().hex,
        credits=credits,
        created_at=now,
        fingerprint=request.fingerprint,
        request=encode_request(request),
        account=check_account(account),
        holds_for=holds_for,
    )
