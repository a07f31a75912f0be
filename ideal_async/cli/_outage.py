"""An API that stops answering while tasks are waited for: for how long, and why."""

import time

from ideal_async import ConnectionFailed, IdealError, Observer, Retry, ServerError, Task

from ._endings import words_of

#: Seconds of silence before somebody hears of it: shorter ones end before they are read.
PATIENCE = 10.0


class Outage(Observer):
    """Hears each look of a client, and knows since when none was answered.

    Attributes:
        since: Of the first look without an answer after the latest with one, seconds since 1970; `None`: it answers.
        why: What the latest look brought.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self.why = ""

    def looked(self, task_id: int, result: Task | IdealError, late: float) -> None:
        """Take note of a look."""
        del task_id, late
        if isinstance(result, ConnectionFailed | ServerError):
            self.since, self.why = self.since or time.time(), words_of(result)
        else:
            self.since = None

    def seconds(self, now: float) -> float | None:
        """Tell for how long there has been no answer; `None`: not for long, if at all."""
        return None if self.since is None or now - self.since < PATIENCE else now - self.since


#: What waits for a task does meanwhile: `Retry.outage` of the library, since the command line has no option for it.
TRIED = f"nothing is lost, it is tried for {Retry().outage / 60:g} minutes"
