"""How far a batch is, as numbers for a bar or a log line."""

from collections.abc import Iterable

import attrs

from ._models import Task


@attrs.frozen
class Progress:
    """Where the requests of a batch stand; each is counted once.

    Attributes:
        to_send: Not sent yet; `None`: nobody knows, because the requests have no length.
        sending: Taken in, and not paid yet: being published, waiting for a slot, or sent.
        queued: Paid; no worker has it yet, as far as was seen.
        running: Being made.
        saving: Made, and on the way to where it is saved.
        done: Made, and saved if it was to be.
        failed: Ended otherwise: see its outcome.
        credits: Spent by the client since the batch began, less refunds.
        eta: Seconds until everything that is taken in is made, and the rest at the pace so far; `None`: too early.
    """

    to_send: int | None
    sending: int
    queued: int
    running: int
    saving: int
    done: int
    failed: int
    credits: int
    eta: float | None = None

    def _repr_html_(self) -> str:
        """A bar and a line, where a notebook shows it."""
        from ._notebook import about, show_progress  # few programs are notebooks

        ended = self.done + self.failed
        running = self.sending + self.queued + self.running + self.saving
        parts = [
            (self.done, "made"),
            (self.failed, "failed"),
            (self.saving, "being saved"),
            (self.running, "being made"),
            (self.queued, "queued"),
            (self.sending, "being sent"),
            (self.to_send or 0, "to send"),
            (self.credits, "credits"),
        ]
        total = 0 if self.to_send is None else ended + running + self.to_send
        return show_progress(ended, total, parts, about(self.eta) if ended < total or self.to_send is None else "")


def is_running(task: Task | None) -> bool:
    """Tell whether a worker has it; a percentage above 0 outweighs the queue (vendor's page: 30 % with two ahead)."""
    return task is not None and (task.percentage > 0 or (task.status == "Processing" and task.wait_number == 0))


def forecast_all(looks: Iterable[Task], *, left: int, ended: int, elapsed: float) -> float | None:
    """Tell in how many seconds all will be made.

    Args:
        looks: At what runs.
        left: Requests that have not ended; those that nobody has counted are none.
        ended: Requests that have.
        elapsed: Seconds since the first was taken in.

    Example:
        >>> forecast_all([], left=30, ended=10, elapsed=100.0)
        300.0
    """
    etas = [task.eta.seconds for task in looks if task.eta is not None]
    if ended and left:
        etas.append(elapsed / ended * left)
    return max(etas) if etas else (0.0 if not left else None)
