"""The service behind the door as pure functions of time: accounts, a queue, workers, credits and refunds.

Seconds come in as arguments and only ever grow; nothing here looks at a clock, rolls dice of its own, or waits.
"""

import heapq
from collections import deque
from typing import Literal

import attrs

from ._codes import COINS_NOT_ENOUGH, PARAM_ERROR, PROHIBITED_CONTENT, Refused
from ._orders import PROHIBITED_WORD, SIZES, Order
from ._timing import draw_percentage, draw_seconds, roll

#: The id in the vendor's examples, so that they run unchanged. Above 2**53: a float or a JavaScript number spoils it.
FIRST_ID = 1234567890123456789

#: Ids grow by up to this much, like those of a service with other customers.
LARGEST_STEP = 2**22

Status = Literal["Unprocessed", "Processing", "Success", "Failed"]
Ending = Literal["Success", "Failed", "Prohibited", "Unrefunded"]


@attrs.frozen
class Entry:
    """One line of the ledger: *credits* were added (or, negative, taken) and *balance* was left."""

    at: float
    account: str
    reason: Literal["grant", "charge", "refund"]
    credits: int
    balance: int
    task_id: int | None = None


@attrs.define
class Account:
    """A customer: a name that may be shown (never the API key) and the credits that are left."""

    name: str
    credits: int


@attrs.frozen
class Clip:
    """The picture work for a task is over at this moment: sizes in pixels, or what went wrong."""

    at: float
    width: int
    height: int
    problem: str | None = None


@attrs.define(eq=False)
class Task:
    """One paid task and where it stands."""

    id: int
    number: int
    account: Account
    order: Order
    credits: int
    created_at: float
    seconds: float
    ending: Ending
    percentages: tuple[int, ...] = ()
    clip: Clip | None = None
    started_at: float | None = None
    ended_at: float | None = None
    problem: str | None = None

    @property
    def status(self) -> Status:
        """One of the vendor's four; a task that was not refunded has failed too."""
        if self.started_at is None:
            return "Unprocessed"
        if self.ended_at is None:
            return "Processing"
        return "Success" if self.ending == "Success" else "Failed"


@attrs.define(eq=False)
class World:
    """Everything the service knows, at one moment.

    *workers* tasks are processed at a time, first come, first served; *speed* divides every duration.

    >>> world = World(workers=1)
    >>> account = world.open_account("demo", 50)
    >>> task = world.create(account, Order("https://example.com/room.jpg", 5, "720p"), 0.0)
    >>> task.id, account.credits, task.status
    (1234567890123456789, 30, 'Processing')
    """

    workers: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    seed: int = 0
    #: With pictures a task waits for its `deliver`; without, its clip is there at once.
    pictures: bool = False
    now: float = 0.0
    tasks: dict[int, Task] = attrs.field(factory=dict[int, Task], init=False)
    ledger: list[Entry] = attrs.field(factory=list[Entry], init=False)
    _queue: deque[Task] = attrs.field(factory=deque[Task], init=False)
    _busy: int = attrs.field(default=0, init=False)
    _ends: list[tuple[float, int, Task]] = attrs.field(factory=list[tuple[float, int, Task]], init=False)
    _last_id: int = attrs.field(default=FIRST_ID, init=False)

    def open_account(self, name: str, credits: int) -> Account:
        """A new customer with *credits* to spend."""
        account = Account(name, 0)
        self.grant(account, credits)
        return account

    def grant(self, account: Account, credits: int) -> None:
        """Top up an account."""
        self._book(account, "grant", credits)

    def create(
        self,
        account: Account,
        order: Order,
        now: float,
        *,
        seconds: float | None = None,
        ending: Ending | None = None,
        percentages: tuple[int, ...] = (),
    ) -> Task:
        """Charge *account* and queue *order*; *seconds*, *ending* and *percentages* overrule the usual course.

        Raises:
            Refused: 9051 when the credits do not suffice; nothing is charged then.

        """
        self.advance(now)
        if account.credits < order.credits:
            raise Refused(COINS_NOT_ENOUGH)
        number = len(self.tasks) + 1
        if number > 1:
            self._last_id += 1 + int(LARGEST_STEP * roll(self.seed, number, "id"))
        prohibited = order.prompt is not None and PROHIBITED_WORD in order.prompt.lower().split()
        task = Task(
            id=self._last_id,
            number=number,
            account=account,
            order=order,
            credits=order.credits,
            created_at=self.now,
            seconds=(draw_seconds(order, self.seed, number) if seconds is None else seconds) / self.speed,
            ending=ending or ("Prohibited" if prohibited else "Success"),
            percentages=percentages,
            clip=None if self.pictures else Clip(self.now, *SIZES[order.resolution]),
        )
        self.tasks[task.id] = task
        self._book(account, "charge", -task.credits, task.id)
        self._queue.append(task)
        self._start(self.now)
        return task

    def deliver(self, task_id: int, clip: Clip) -> None:
        """The picture work of a task is over."""
        task = self.tasks[task_id]
        task.clip = clip
        if task.started_at is not None:
            self._schedule(task, task.started_at, clip)

    def advance(self, now: float) -> None:
        """Let time pass until *now*: tasks end in order, each hands its worker to the next in the queue."""
        while self._ends and self._ends[0][0] <= now:
            at, _, task = heapq.heappop(self._ends)
            self.now = max(self.now, at)
            self._end(task)
            self._busy -= 1
            # What was shown stays true: after a clip that is reported late nothing is backdated.
            self._start(self.now)
        self.now = max(self.now, now)

    def look(self, account: Account, task_id: int, now: float) -> Task:
        """The task as it stands *now*.

        Raises:
            Refused: 1011 for an id this account never got, 9038 once a task ended with prohibited output.

        """
        self.advance(now)
        task = self.tasks.get(task_id)
        if task is None or task.account is not account:
            # Not 1001: asking again cannot help, the parameter is wrong.
            raise Refused(PARAM_ERROR, f"there is no task {task_id}", http_status=404)
        if task.ending == "Prohibited" and task.ended_at is not None:
            # The page lists 9038 among the error answers, "generated output ... contains prohibited content", so it can
            # only come from a look, after the generation. We read: the look of such a task is the error envelope.
            raise Refused(PROHIBITED_CONTENT)
        return task

    def percentage(self, task: Task) -> int:
        """0 to 100: 100 only with the result, 0 for a failed task, as in the page's examples."""
        if task.started_at is None or task.status == "Failed":
            return 0
        if task.ended_at is not None:
            return 100
        share = min(1.0, (self.now - task.started_at) / task.seconds) if task.seconds else 1.0
        if task.percentages:
            return task.percentages[min(int(share * len(task.percentages)), len(task.percentages) - 1)]
        return draw_percentage(share, self.seed, task.number)

    def wait_number(self, task: Task) -> int:
        """Place in the queue, 1 for the next to start; 0 means "currently processing" (or over)."""
        if task.started_at is not None:
            return 0
        # First come, first served: who is ahead has a smaller number, and no one behind has started.
        return task.number - self._queue[0].number + 1

    @property
    def waiting(self) -> int:
        """How many tasks no worker has taken yet."""
        return len(self._queue)

    def _start(self, at: float) -> None:
        while self._queue and self._busy < self.workers:
            task = self._queue.popleft()
            task.started_at = at
            self._busy += 1
            if task.clip is not None:
                self._schedule(task, at, task.clip)

    def _schedule(self, task: Task, started_at: float, clip: Clip) -> None:
        """A task ends when its time is up *and* its clip is there."""
        # Without a clip there is nothing to process: a bad picture is noticed as soon as it is looked at.
        seconds = task.seconds if clip.problem is None else 0
        heapq.heappush(self._ends, (max(started_at + seconds, clip.at), task.number, task))

    def _end(self, task: Task) -> None:
        task.ended_at = self.now
        if task.clip is not None and task.clip.problem is not None:
            task.ending, task.problem = "Failed", task.clip.problem
        if task.ending in {"Failed", "Prohibited"}:
            self._book(task.account, "refund", task.credits, task.id)

    def _book(
        self,
        account: Account,
        reason: Literal["grant", "charge", "refund"],
        credits: int,
        task_id: int | None = None,
    ) -> None:
        account.credits += credits
        self.ledger.append(Entry(self.now, account.name, reason, credits, account.credits, task_id))
