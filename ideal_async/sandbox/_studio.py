"""The picture work, in threads: fetch the images of an order, render its clip, report when it is there."""

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import attrs

from ._orders import Order

FetchImage = Callable[[str], bytes]


class Rendered(Protocol):
    """What the renderer hands over: two files and the size in pixels."""

    @property
    def video(self) -> Path: ...
    @property
    def cover(self) -> Path: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@attrs.frozen
class Delivery:
    """The clip of a task, or the *problem* that prevented it, *seconds* after it was asked for."""

    task_id: int
    seconds: float
    clip: Rendered | None = None
    problem: str | None = None


class CannotFetch(Exception):  # noqa: N818 - reads as the sentence it becomes
    """An image could not be had: the message says why."""


class Studio:
    """Renders clips in its own threads and its own temporary folder, both gone after `close` or with the object.

    Nothing is started, imported or written before the first clip is asked for.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or max(2, os.cpu_count() or 1)
        self.delivered: SimpleQueue[Delivery] = SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._close: weakref.finalize[[ThreadPoolExecutor, str], Studio] | None = None
        self.folder: Path | None = None

    def ask(self, task_id: int, order: Order, fetch_image: FetchImage) -> None:
        """Start the work for a task; its `Delivery` arrives in `delivered`."""
        if self._pool is None:
            # The renderer is imported here, not in a thread, so that a missing extra is an error of this call.
            from . import _render  # noqa: F401, PLC0415 - needs the extra "sandbox", wanted only now

            folder = tempfile.mkdtemp(prefix="ideal-sandbox-")
            self.folder = Path(folder)
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="ideal-sandbox")
            self._close = weakref.finalize(self, _close, self._pool, folder)
        asked_at = time.monotonic()
        future = self._pool.submit(_work, order, fetch_image, self.folder or Path())
        delivered = self.delivered

        def deliver(future: Future[Rendered]) -> None:
            if not future.cancelled():
                problem = future.exception()
                delivered.put(
                    Delivery(task_id, time.monotonic() - asked_at, problem=_explain(problem))
                    if problem
                    else Delivery(task_id, time.monotonic() - asked_at, future.result())
                )

        future.add_done_callback(deliver)

    def close(self) -> None:
        """Drop what is queued, wait for what is being rendered, remove the folder."""
        if self._close is not None:
            self._close()


def _close(pool: ThreadPoolExecutor, folder: str) -> None:
    pool.shutdown(cancel_futures=True)
    shutil.rmtree(folder, ignore_errors=True)


def _work(order: Order, fetch_image: FetchImage, folder: Path) -> Rendered:
    from . import _render  # noqa: PLC0415 - needs the extra "sandbox", wanted only now

    image = fetch_image(order.image_url)
    last_image = None if order.last_image_url is None else fetch_image(order.last_image_url)
    scene = _render.Scene(
        image=image,
        last_image=last_image,
        prompt=order.prompt or "",
        duration=order.duration,
        resolution=order.resolution,
        model_type=order.model_type,
        audio=order.generate_audio,
    )
    return _render.render(scene, folder)


def _explain(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"
