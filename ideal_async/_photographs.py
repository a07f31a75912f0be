"""Photographs of this machine on their way to the service: named by content, published once, signed for each send."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import anyio
import attrs

from ._models import ImageToVideo, Picture
from ._wire import write_request

#: Photographs read or put at once: more would fill the line, the memory, and the threads of the journal.
UPLOADS_AT_ONCE = 4
_PICTURES = ("image_url", "last_image_url")

LeaveLoop = Callable[..., Awaitable[Any]]


class Uploads(Protocol):
    """Where photographs are published: what `AsyncClient(uploads=...)` takes. Its methods block, and run in threads."""

    def address(self, path: Path, /) -> str:
        """Tell the URL of a photograph without its signature: the same for the same content."""
        ...

    def put(self, path: Path, address: str, /) -> None:
        """Store a photograph, unless it is there."""
        ...

    def sign(self, address: str, /) -> str:
        """Return the URL that the service can fetch from, good from now on."""
        ...


class Photographs:
    """Publishes the pictures of requests that are on this machine.

    Args:
        uploads: Where; `None`: nowhere.
        leave_loop: Runs a blocking function outside of the event loop.
    """

    def __init__(self, uploads: Uploads | None, *, leave_loop: LeaveLoop) -> None:
        self._uploads = uploads
        self._leave_loop = leave_loop
        self._slots = anyio.CapacityLimiter(UPLOADS_AT_ONCE)

    async def locate(self, request: ImageToVideo) -> ImageToVideo:
        """Return the request with the URLs that its pictures will have, by which it is known; nothing is sent.

        Raises:
            ValueError: There is nowhere to publish to; or a file is no picture.
            OSError: It cannot be read.
        """
        ours = _pictures(request)
        uploads = self._uploads
        if ours and uploads is None and not any(picture.path for picture in ours.values()):
            raise ValueError(
                f"{next(iter(ours.values()))} lies in a bucket, and has to be signed: pass AsyncClient(uploads=bucket)"
            )
        local = {name: picture for name, picture in ours.items() if picture.path}
        if not local:
            return request
        if uploads is None:
            name = Path(next(iter(local.values())).path).name
            raise ValueError(
                f"{name} is on this machine, and the API fetches pictures itself: "
                "pass AsyncClient(uploads=Bucket(...)), which publishes it, or a URL"
            )
        places: dict[str, Any] = {}
        for name, picture in local.items():
            async with self._slots:
                address = await self._leave_loop(uploads.address, Path(picture.path))
            places[name] = Picture(address, picture.path)
        return attrs.evolve(request, **places)

    async def publish(self, request: ImageToVideo) -> None:
        """Put what `locate` has found a place for, unless it is there.

        Raises:
            UploadFailed: The store said no.
        """
        for picture in filter(lambda picture: picture.path, _pictures(request).values()):
            async with self._slots:
                await self._leave_loop(self._there.put, Path(picture.path), str(picture))

    async def write(self, request: ImageToVideo) -> dict[str, Any]:
        """Write the body of one send: the URLs are signed now, however long the request has waited."""
        signed = {
            name: await self._leave_loop(self._there.sign, str(picture)) for name, picture in _pictures(request).items()
        }
        return write_request(attrs.evolve(request, **signed) if signed else request)

    @property
    def _there(self) -> Uploads:
        assert self._uploads is not None  # noqa: S101 - `locate` has refused who has none
        return self._uploads


def _pictures(request: ImageToVideo) -> dict[str, Picture]:
    """Find the pictures of a request that are ours: of this machine, or in a bucket."""
    found = {name: getattr(request, name) for name in _PICTURES}
    return {name: picture for name, picture in found.items() if isinstance(picture, Picture)}
