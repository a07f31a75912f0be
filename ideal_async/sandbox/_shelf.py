"""What can be fetched by URL without a key: results of tasks, and pictures."""

import re
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from urllib.parse import parse_qs, quote

import anyio.to_thread

from ._disturb import EXPIRED, disturb
from ._fetch import fetch_image
from ._files import File, answer_file
from ._gallery import FOLDER, Gallery, is_example, name_of
from ._http import Answer, Request
from ._service import Service
from ._studio import CannotFetch

Link = Callable[[int, str], str]

OUTPUT = re.compile(r"/output/([0-9]{1,19})/(?:it's/)?(video_result\.mp4|video_cover\.jpg)")

SIGNATURE = "&signature="

#: What a signing store says to a target that is not the one it signed.
MISMATCH = Answer(
    403,
    b'<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code></Error>',
    "application/xml",
)


class Shelf:
    """Result files and pictures.

    *url_lifetime* is in seconds; None means that result URLs never expire. *allow_private* says whether an image may be
    fetched from a private address; None allows it where only this machine can ask.
    """

    def __init__(
        self, service: Service, gallery: Gallery, *, url_lifetime: float | None, allow_private: bool | None
    ) -> None:
        self._service = service
        self._gallery = gallery
        self._url_lifetime = url_lifetime
        self.allow_private = allow_private

    def names(self) -> list[str]:
        """The names of the user's photographs."""
        return list(self._gallery.names)

    def linker(self, base: str) -> Link:
        """Gives the URLs of result files under *base*."""

        def link(task_id: int, name: str) -> str:
            appearance = self._service.appearance(task_id)
            # Escapes that a client is tempted to write in another way, in the path and in the query.
            target = f"/output/{task_id}/it%27s%2F{name}" if appearance.signed else f"/output/{task_id}/{name}"
            fields = ["as=it%27s%2F" + name] if appearance.signed else []
            if self._url_lifetime is not None:
                fields.append(f"expires={self._service.world.now + self._url_lifetime:.3f}")
            if fields:
                target += "?" + "&".join(fields)
            if appearance.signed:
                target += SIGNATURE + self._sign(target)
            return base + target

        return link

    def preview(self, url: str, own_host: str) -> str | None:
        """Where the page can show the image a customer named, if it is one of ours."""
        name = self._gallery.name_in(url, own_host)
        return None if name is None else FOLDER + quote(name)

    def find_image(self, url: str, own_host: str, *, local: bool) -> bytes:
        """The image a customer named: one of our own pictures, or fetched. Blocking, for a thread.

        Raises:
            CannotFetch: it cannot be had.

        """
        name = self._gallery.name_in(url, own_host)
        if name is None:
            return fetch_image(url, allow_private=local if self.allow_private is None else self.allow_private)
        file = self._gallery.find(name)
        if file is None:
            raise CannotFetch("its server answered HTTP 404")
        return file.content if isinstance(file.content, bytes) else file.content.read_bytes()

    async def serve(self, request: Request) -> Answer | None:
        """The answer to a GET or HEAD; None if there is nothing."""
        found = OUTPUT.fullmatch(request.path)
        if found:
            task_id, name = int(found[1]), found[2]
            work = partial(self._serve_result, task_id, name, request)
            return await disturb(self._service.on_call("download", request, task_id), work)
        if request.path.startswith(FOLDER) or is_example(request.host.partition(":")[0]):
            picture = await self._find_picture(name_of(request.path))
            return None if picture is None else answer_file(picture, request.headers)
        return None

    async def _serve_result(self, task_id: int, name: str, request: Request) -> Answer:
        file = self._service.file(task_id, name)
        if file is None:
            return Answer(404, b"There is no such result.\n", "text/plain; charset=utf-8")
        expires = parse_qs(request.query.decode("latin-1")).get("expires")
        if self._url_lifetime is not None and (expires is None or _seconds(expires[0]) < self._service.world.now):
            return EXPIRED
        if self._service.appearance(task_id).signed:
            target, _, signature = request.target.decode("latin-1").partition(SIGNATURE)
            if signature != self._sign(target):
                return MISMATCH
        return answer_file(file, request.headers)

    def _sign(self, target: str) -> str:
        return blake2b(target.encode(), key=str(self._service.world.seed).encode(), digest_size=16).hexdigest()

    async def _find_picture(self, name: str) -> File | None:
        if self._gallery.instant:
            return self._gallery.find(name)  # no thread, so that virtual time stays exact
        return await anyio.to_thread.run_sync(self._gallery.find, name)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
