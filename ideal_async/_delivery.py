"""Results that go on from this machine: brought to the disk first, resumed and checked, then handed over whole."""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import anyio

from ._download import Downloads
from ._errors import DownloadFailed
from ._identity import redact_url
from ._media import HEAD, Media, media_type_of
from ._models import Task
from ._names import name_of_video
from ._part import is_result

#: Results handed over at once; they share the threads of the journal.
DELIVERIES_AT_ONCE = 4

LeaveLoop = Callable[..., Awaitable[Any]]
T = TypeVar("T")


@runtime_checkable
class Target(Protocol):
    """Where a result goes that is no path: what `AsyncClient.download` takes. Its methods block, and run in threads.

    *mark* names a result wherever it comes from; what a method raises as an `OSError` becomes a `DownloadFailed`.
    """

    def holds(self, mark: str, /) -> bool:
        """Tell whether that result is there already."""
        ...

    def local(self, mark: str, /) -> Path:
        """Tell where on this machine it is collected; the same in every run, so that it can be resumed."""
        ...

    def deliver(self, file: Path, media_type: str, mark: str, /) -> None:
        """Take the file over, whole or not at all."""
        ...


class Folder(Protocol):
    """What has places for results: a `pathlib.Path`, a bucket, a folder in one."""

    def __truediv__(self, name: str, /) -> "Path | Target":
        """Return the place of that name."""
        ...


def target_of(place: Any) -> Path | Target:
    """Return where one result goes.

    Raises:
        TypeError: It is neither a path nor a name in a bucket.
        ValueError: It is a URL.
    """
    target: Any = _path_of(place)
    if not isinstance(target, Path | Target):
        raise TypeError(f"a result is brought to a path, or to a name in a bucket, not to {type(target).__name__}")
    return target


def folder_of(place: Any) -> Folder:
    """Return where many results go.

    Raises:
        TypeError: It has no places for results.
        ValueError: It is a URL.
    """
    folder: Any = _path_of(place)
    try:
        known = isinstance(folder / name_of_video(None, 0), Path | Target)
    except TypeError:
        known = False
    if not known:
        raise TypeError(f"results are saved in a folder, or in a bucket, not in {type(folder).__name__}")
    return cast("Folder", folder)


def _path_of(place: Any) -> Any:
    if isinstance(place, str) and "://" in place:
        shown = redact_url(place)
        raise ValueError(
            f"{shown!r} is a URL, not a path: for a bucket pass ideal_async.buckets.Bucket({shown!r}), or a name in it"
        )
    return Path(cast("str", place)) if isinstance(place, str | os.PathLike) else place


class Deliveries:
    """Brings results to where they are wanted.

    Args:
        downloads: Brings them to this machine.
        fetch: Looks at a task, whose URL may be fresh then.
        origin: Of the API: a bucket may hold what a sandbox made, whose ids are not those of the service.
        leave_loop: Runs a blocking function outside of the event loop.
    """

    def __init__(
        self, downloads: Downloads, *, fetch: Callable[[int], Awaitable[Task]], origin: str, leave_loop: LeaveLoop
    ) -> None:
        self._downloads = downloads
        self._fetch = fetch
        self._origin = origin
        self._leave_loop = leave_loop
        self._slots = anyio.CapacityLimiter(DELIVERIES_AT_ONCE)
        self._busy: dict[str, anyio.Event] = {}

    async def keep(self, task: Task, folder: Folder, key: str | None) -> Path | Target:
        """Save the video of *task* in *folder*, unless it is there, and tell where it is.

        Raises:
            DownloadFailed: It is not there; calling again goes on.
            OSError: There can be no such folder.
        """
        place = folder / name_of_video(key, task.id)
        name = str(place)
        while (other := self._busy.get(name)) is not None:  # two of a batch may be one task
            await other.wait()
        self._busy[name] = done = anyio.Event()
        try:
            if isinstance(place, Path):
                if await self._leave_loop(is_result, place):
                    return place
                await self._leave_loop(partial(place.parent.mkdir, parents=True, exist_ok=True))
            await self.bring(task, place, "video")
            return place
        finally:
            del self._busy[name]
            done.set()

    async def bring(self, task: Task, target: Path | Target, media: Media) -> None:
        """Bring a result of *task* to *target*.

        Raises:
            DownloadFailed: It is not there; calling again goes on.
            ValueError: The task has no such result.
        """
        url = _url_of(task, media)
        if not url:
            raise ValueError(f"task {task.id} ({task.status}) has no {media}: wait for it first")
        if isinstance(target, Path):
            await self._download(task, url, target, media, f"{task.id}/{media}")
        else:
            await self._deliver(task, url, target, media, f"{self._origin} {task.id}/{media}")

    async def _download(self, task: Task, url: str, path: Path, media: Media, identity: str) -> None:
        async def refresh() -> str | None:
            return _url_of(await self._fetch(task.id), media)

        await self._downloads.download(url, path, media=media, identity=identity, task_id=task.id, refresh=refresh)

    async def _deliver(self, task: Task, url: str, target: Target, media: Media, mark: str) -> None:
        """Hand a result over, unless it is there."""
        local: Path | None = None
        try:
            if await self._call(target.holds, mark):
                return
            path = local = await self._call(target.local, mark)
            if not await self._leave_loop(is_result, path, media):  # else it came in an earlier run, and stayed here
                await self._download(task, url, path, media, mark)
            media_type = media_type_of(await self._leave_loop(_head, path))
            await self._call(target.deliver, path, media_type, mark)
        except OSError as error:
            kept = 0 if local is None else await self._leave_loop(_size, local)
            rest = (
                f"{kept} bytes are kept, call again to resume" if kept else "nothing is kept, call again to start over"
            )
            raise DownloadFailed(
                f"the {media} was not delivered to {target}: {error}; {rest}",
                path=str(target),
                received=kept,
                task_id=task.id,
            ) from error

    async def _call(self, function: Callable[..., T], *args: object) -> T:
        async with self._slots:
            return await self._leave_loop(function, *args)  # type: ignore[no-any-return]  # what the seam runs


def _url_of(task: Task, media: Media) -> str | None:
    if task.output is None:
        return None
    return task.output.result_url if media == "video" else task.output.cover


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
