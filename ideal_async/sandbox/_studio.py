"""The picture work, in threads: fetch the images of an order, render its clip, report when it is there."""

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue

import attrs

from ._files import File, file_on_disk
from ._orders import Order

FetchImage = Callable[[str], bytes]


@attrs.frozen
class Reel:
    """The two result files of a task, and the size of its video in pixels."""

    video: File
    cover: File
    width: int
    height: int


@attrs.frozen
class Delivery:
    """The clip of a task, or the *problem* that prevented it, *seconds* after it was asked for."""

    task_id: int
    seconds: float
    reel: Reel | None = None
    problem: str | None = None


class CannotFetch(Exception):
    """An image could not be had: the message says why."""


class Studio:
    """Renders clips in its own threads and its own temporary folder, both gone after `close` or with the object.

    Nothing is started, imported or written before the first clip is asked for.

    Raises:
        ImportError: the extra is not installed.

    """

    def __init__(self, threads: int | None = None) -> None:
        for module in ("av", "numpy"):
            if find_spec(module) is None:
                raise ImportError(
                    f"rendering needs {module}: install ideal-async[sandbox], or pass render=False", name=module
                )
        self.threads = threads or max(2, os.cpu_count() or 1)
        self.delivered: SimpleQueue[Delivery] = SimpleQueue()
        self._pool: ThreadPoolExecutor | None = None
        self._close: weakref.finalize[[ThreadPoolExecutor, str], Studio] | None = None
        self.folder = Path()

    def ask(self, task_id: int, order: Order, fetch_image: FetchImage) -> None:
        """Start the work for a task; its `Delivery` arrives in `delivered`."""
        if self._pool is None:
            folder = tempfile.mkdtemp(prefix="ideal-sandbox-")
            self.folder = Path(folder)
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="ideal-sandbox")
            self._close = weakref.finalize(self, _close, self._pool, folder)
        self._pool.submit(_work, _Job(task_id, order, fetch_image, self.folder, time.monotonic()), self.delivered)

    def close(self) -> None:
        """Drop what is queued, wait for what is being rendered, remove the folder."""
        if self._close is not None:
            self._close()


def _close(pool: ThreadPoolExecutor, folder: str) -> None:
    pool.shutdown(cancel_futures=True)
    shutil.rmtree(folder, ignore_errors=True)


@attrs.frozen
class _Job:
    task_id: int
    order: Order
    fetch_image: FetchImage
    folder: Path
    asked_at: float


def _work(job: _Job, delivered: "SimpleQueue[Delivery]") -> None:
    """In a thread. Knows nothing of the studio, so that an abandoned one can be collected."""
    reel, problem = None, None
    try:
        reel = _render(job)
    except CannotFetch as error:
        problem = f"the image cannot be fetched: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, the task fails and its credits go back
        problem = f"{type(error).__name__}: {error}"
    delivered.put(Delivery(job.task_id, time.monotonic() - job.asked_at, reel, problem))


def _render(job: _Job) -> Reel:
    from . import _render as renderer

    order = job.order
    scene = renderer.Scene(
        image=job.fetch_image(order.image_url),
        last_image=None if order.last_image_url is None else job.fetch_image(order.last_image_url),
        prompt=order.prompt or "",
        duration=order.duration,
        resolution=order.resolution,
        model_type=order.model_type,
        audio=order.generate_audio,
    )
    clip = renderer.render(scene, job.folder)
    # Named by content, so the name is a version: equal scenes share files and entity tags.
    video, cover = (file_on_disk(path, path.stem) for path in (clip.video, clip.cover))
    return Reel(video, cover, clip.width, clip.height)
