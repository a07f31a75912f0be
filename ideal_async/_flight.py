"""One request on its way, and all who wait for it."""

from datetime import UTC, datetime

import anyio

from ._books import Purchase
from ._callbacks import OnSubmit, Submission, run_shielded
from ._errors import SubmissionUnknown
from ._models import Task


class Claim:
    """One caller of a flight.

    Attributes:
        on_submit: To be called with the task id.
        deadline: After which this caller wants nothing sent any more, on the event loop's clock.
        error: What its callback raised.
        waiting: The caller is still there.
    """

    __slots__ = ("deadline", "error", "on_submit", "waiting")

    def __init__(self, on_submit: OnSubmit | None, deadline: float | None) -> None:
        self.on_submit = on_submit
        self.deadline = deadline
        self.error: Exception | None = None
        self.waiting = True


class Flight:
    """One request on its way.

    Attributes:
        purchase: The request and its money.
        claims: Its callers.
        scope: Cancels it.
        landed: Set when it is over.
        sent_at: When it left, while it may have been received.
        task: The finished task, if the journal knows it already.
        error: Why there is no task.
        withdrawn: It was cancelled before it left.
        announced: Somebody's callback has heard that it is paid.
    """

    __slots__ = (
        *("purchase", "claims", "scope", "landed", "sent_at"),
        *("task", "error", "withdrawn", "announced"),
    )

    def __init__(self, purchase: Purchase) -> None:
        self.purchase = purchase
        self.claims: list[Claim] = []
        self.scope = anyio.CancelScope()
        self.landed = anyio.Event()
        self.sent_at: datetime | None = None
        self.task: Task | None = None
        self.error: Exception | None = None
        self.withdrawn = self.announced = False

    @property
    def over(self) -> bool:
        """It is known what became of it."""
        return self.purchase.task_id is not None or self.error is not None

    @property
    def may_go_again(self) -> bool:
        """A refused key is free again; one that may have been paid is not."""
        return self.error is not None and not isinstance(self.error, SubmissionUnknown)

    def is_wanted(self, now: float) -> bool:
        """Somebody still waits for it whose deadline has not come."""
        return any(claim.waiting and (claim.deadline is None or claim.deadline > now) for claim in self.claims)

    async def announce(self, claim: Claim) -> None:
        """Run the caller's callback once the task id is known; only the first one hears that it was paid."""
        purchase = self.purchase
        if claim.on_submit is None or purchase.task_id is None:
            return
        paid, self.announced = purchase.paid and not self.announced, True
        submission = Submission(purchase.task_id, purchase.key, purchase.request, paid)
        claim.error = await run_shielded(claim.on_submit, submission, about=f"on_submit for task {purchase.task_id}")

    def doubt(self, why: str, *, has_journal: bool) -> SubmissionUnknown:
        """Say all that a person needs to find out what became of it, and both ways out."""
        purchase, sent_at = self.purchase, self.sent_at or datetime.now(UTC)
        name = f"key {purchase.key!r}, " if purchase.key is not None else ""
        return SubmissionUnknown(
            f"the request may have been received and paid ({why}); it is not sent again. Look for a task created at "
            f"{sent_at:%Y-%m-%d %H:%M:%S} UTC ({name}request {purchase.request.fingerprint})"
            f"{ways_out(purchase.key) if has_journal else ' before you repeat it'}",
            key=purchase.key,
            fingerprint=purchase.request.fingerprint,
            sent_at=sent_at,
            task_id=purchase.task_id,
        )


def ways_out(key: str | None) -> str:
    """Say how a doubt ends, ready to be pasted."""
    return (
        f". If there is one: await client.adopt({key!r}, its_id), or `ideal-async journal adopt`; if there is none: "
        f"journal.release({key!r}), or `ideal-async journal release`"
    )
