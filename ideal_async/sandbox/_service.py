"""The world given a clock, customers with keys, and a studio."""

import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty
from typing import TypeVar

import anyio
import anyio.lowlevel

from ._codes import API_KEY_INVALID, Refused
from ._orders import Order
from ._studio import FetchImage, Rendered, Studio
from ._world import Account, Clip, Task, World


T = TypeVar("T")


class Service:
    """What the endpoints call. Safe to use from several threads, each with an event loop of its own.

    *accounts* maps API keys to credits; *studio* is None when nothing is rendered.
    """

    def __init__(self, world: World, accounts: dict[str, int], studio: Studio | None) -> None:
        self.world = world
        self.studio = studio
        self.clips: dict[int, Rendered] = {}
        # Keys are never shown: a ledger line names its account by number.
        self.accounts = {
            key: world.open_account(f"account-{number}", credits)
            for number, (key, credits) in enumerate(accounts.items(), 1)
        }
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
        if api_key is None or api_key not in self.accounts:
            raise Refused(API_KEY_INVALID)
        return self.accounts[api_key]

    def create(self, account: Account, order: Order, fetch_image: FetchImage) -> Task:
        """Charge and queue an order, and set the studio to work."""
        with self._lock:
            self.settle()
            task = self.world.create(account, order, self.clock())
            if self.studio is not None:
                self.studio.ask(task.id, order, fetch_image)
            return task

    def look(self, account: Account, task_id: int, show: Callable[[World, Task], T]) -> T:
        """What *show* makes of a task as it stands now."""
        with self._lock:
            self.settle()
            return show(self.world, self.world.look(account, task_id, self.clock()))

    def settle(self) -> None:
        """Bring the world up to now: clips that came since, then time itself."""
        with self._lock:
            while self.studio is not None:
                try:
                    delivery = self.studio.delivered.get_nowait()
                except Empty:
                    break
                task = self.world.tasks[delivery.task_id]
                at = task.created_at + delivery.seconds
                if delivery.clip is None:
                    clip = Clip(at, 0, 0, delivery.problem)
                else:
                    self.clips[task.id] = delivery.clip
                    clip = Clip(at, delivery.clip.width, delivery.clip.height)
                self.world.deliver(task.id, clip)
            self.world.advance(self.clock())

    def file(self, task_id: int, name: str) -> Path | None:
        """Where a result file is, once there is one."""
        clip = self.clips.get(task_id)
        return None if clip is None else clip.video if name.endswith("mp4") else clip.cover
