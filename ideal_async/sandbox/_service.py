"""The world given a clock, customers with keys, a script of faults, and a studio."""

import threading
from collections.abc import Callable
from queue import Empty
from typing import Any, Literal, TypedDict

import anyio
import anyio.lowlevel
import attrs

from ._answers import Appearance, is_within, show_task
from ._codes import API_KEY_INVALID, Refused
from ._effects import CallEffect
from ._faults import Fault, Script
from ._files import File, stand_in
from ._http import Request
from ._orders import Order
from ._studio import Delivery, FetchImage, Reel, Studio
from ._task_effects import Fail, LateFile, LateUrl, Percentage, Prohibit, Sign, Takes, TaskEffect
from ._world import Account, Clip, Ending, Task, World


class Service:
    """What the endpoints call. Safe to use from several threads, each with an event loop of its own.

    *accounts* maps API keys to credits; *studio* is None when nothing is rendered.
    """

    def __init__(self, world: World, accounts: dict[str, int], studio: Studio | None) -> None:
        self.world = world
        self.script = Script(seed=world.seed)
        self._studio = studio
        self._reels: dict[int, Reel] = {}
        self._appearances: dict[int, Appearance] = {}
        #: What the script did to tasks, in its words.
        self.faults: dict[int, list[str]] = {}
        # Keys are never shown: a ledger line names its account by number.
        self.accounts = {
            key: world.open_account(f"account-{number}", granted)
            for number, (key, granted) in enumerate(accounts.items(), 1)
        }
        # Never held over an await, so a loop that wants it waits for a few microseconds at most.
        self._lock = threading.RLock()
        self._epoch: anyio.lowlevel.RunVar[float] = anyio.lowlevel.RunVar("ideal_async.sandbox")

    def clock(self) -> float:
        """Seconds since the first request.

        Every event loop counts from a moment of its own; in a new loop time goes on where the world stood.
        """
        now = anyio.current_time()
        epoch = self._epoch.get(None)
        if epoch is None:
            epoch = now - self.world.now
            self._epoch.set(epoch)
        return now - epoch

    def account(self, api_key: str | None) -> Account:
        """Whose key it is.

        Raises:
            Refused: 5002.

        """
        account = None if api_key is None else self.accounts.get(api_key)
        if account is None:
            raise Refused(API_KEY_INVALID)
        return account

    def grant(self, api_key: str, credits: int) -> None:
        """Top up an account."""
        with self._lock:
            self.settle_if_running()
            self.world.grant(self.accounts[api_key], credits)

    def disturb(self, faults: tuple[Fault, ...]) -> None:
        """Follow another script from now on: its calls and tasks are counted from here."""
        with self._lock:
            self.script = Script(faults, self.world.seed)

    def on_call(
        self, call: Literal["submit", "look", "download"], request: Request, task_id: int | None = None
    ) -> list[CallEffect]:
        """What the script does to the call that is happening now."""
        with self._lock:
            effects = self.script.on_call(call, task_id)
        request.notes.faults += map(str, effects)
        request.notes.task_id = task_id
        return effects

    def create(self, account: Account, order: Order, fetch_image: FetchImage) -> Task:
        """Charge and queue an order, and set the studio to work.

        Raises:
            Refused: 9051.

        """
        with self._lock:
            self.settle()
            # Asked before the charge: a task that is refused for want of credits is no task.
            effects = self.script.on_task() if account.credits >= order.credits else []
            task = self.world.create(account, order, self.clock(), **_course(effects))
            if effects:
                self._appearances[task.id] = _appearance(effects)
                self.faults[task.id] = [str(effect) for effect in effects]
            self.script.name_task(task.id)
            if self._studio is not None:
                self._studio.ask(task.id, order, fetch_image)
            return task

    def appearance(self, task_id: int) -> Appearance:
        """How the end of a task is shown."""
        return self._appearances.get(task_id, Appearance())

    def look(self, account: Account, task_id: int, link: Callable[[int, str], str]) -> dict[str, Any]:
        """The `data` of a task as it stands now.

        Raises:
            Refused: 1011 for an unknown id, 9038 for prohibited output.

        """
        with self._lock:
            self.settle()
            task = self.world.look(account, task_id, self.clock())
            return show_task(self.world, task, link, self.appearance(task_id))

    def settle(self) -> None:
        """Bring the world up to now: clips that came since, then time itself."""
        with self._lock:
            for delivery in self._deliveries():
                task = self.world.tasks[delivery.task_id]
                at = task.created_at + delivery.seconds
                if delivery.reel is None:
                    clip = Clip(at, 0, 0, delivery.problem)
                else:
                    self._reels[task.id] = delivery.reel
                    clip = Clip(at, delivery.reel.width, delivery.reel.height)
                self.world.deliver(task.id, clip)
            self.world.advance(self.clock())

    def settle_if_running(self) -> None:
        """As `settle` in an event loop that has served requests; elsewhere there is no clock, and nothing happens."""
        try:
            running = self._epoch.get(None) is not None
        except RuntimeError:  # no event loop here
            return
        if running:
            self.settle()

    def file(self, task_id: int, name: str) -> File | None:
        """A result file, once its task has succeeded."""
        with self._lock:
            self.settle()
            task = self.world.tasks.get(task_id)
            if task is None or task.status != "Success":
                return None
            if is_within(self.world, task, self.appearance(task_id).file_after):
                return None
            reel = self._reels.get(task_id)
        if reel is None:
            return stand_in(task_id, name)
        return reel.video if name.endswith(".mp4") else reel.cover

    def _deliveries(self) -> list[Delivery]:
        deliveries: list[Delivery] = []
        while self._studio is not None:
            try:
                deliveries.append(self._studio.delivered.get_nowait())
            except Empty:
                break
        return deliveries


class Course(TypedDict, total=False):
    """How a task departs from the usual: arguments of `World.create`."""

    ending: Ending
    percentages: tuple[int, ...]
    seconds: float


def _course(effects: list[TaskEffect]) -> Course:
    course = Course()
    for effect in effects:
        match effect:
            case Fail():
                course["ending"] = "Failed" if effect.status == "Failed" else "Unrefunded"
            case Prohibit():
                course["ending"] = "Prohibited"
            case Percentage():
                course["percentages"] = effect.values
            case Takes():
                course["seconds"] = effect.seconds
            case _:
                pass
    return course


def _appearance(effects: list[TaskEffect]) -> Appearance:
    appearance = Appearance()
    for effect in effects:
        match effect:
            case Fail():
                appearance = attrs.evolve(appearance, failed=effect.status)
            case LateUrl():
                appearance = attrs.evolve(appearance, url=effect)
            case LateFile():
                appearance = attrs.evolve(appearance, file_after=effect.seconds)
            case Sign():
                appearance = attrs.evolve(appearance, signed=True)
            case _:
                pass
    return appearance
