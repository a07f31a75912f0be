"""The sandbox's own pictures: rooms that come with it, and a folder of the user's photographs."""

import os
import re
import zlib
from base64 import b64decode
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ._files import File, file_on_disk, media_type_of
from ._rooms import photograph

if TYPE_CHECKING:
    from collections.abc import Callable

#: Reserved for documentation (RFC 2606), used by the vendor's examples, and drawn here instead of fetched.
EXAMPLE_HOSTS = ("example.com", "example.net", "example.org")

#: Where a sandbox serves its pictures under its own address.
FOLDER = "/images/"

#: A grey JPEG of 16 by 16 pixels: every picture, when nothing is rendered.
GREY = zlib.decompress(
    b64decode(
        "eNr7f+P/PwYBn8SyZDMjPSMLPUMDI4b/txmcGThYQIAVDNiQATs7OwcHB5AEMYEsDk5OTgjFxcXFw8PNzcfHJygo8v8Igw8DIyMD"
        "KmDDEGEUQBdhEMRQpPj/AIMgB4MAgwAzoxIDkyADsyDD/1sMPMyMQA6Qbc+wgCEw/v9NAMXYFWE="
    )
)


def is_example(host: str) -> bool:
    """Whether *host* is one of the documentation's, or below one.

    >>> is_example("cdn.example.com"), is_example("example.com.evil.test")
    (True, False)
    """
    return host.lower().removesuffix(".").endswith(EXAMPLE_HOSTS) and bool(
        re.fullmatch(r"(.+\.)?example\.(com|net|org)\.?", host.lower())
    )


class Gallery:
    """Pictures by name: the files of *folder*, or, without one, a room for every name with a picture's suffix.

    Two kinds of names are for trying what goes wrong: `missing…` is never there, `broken…` is no picture. Looking one
    up blocks: it reads.
    """

    def __init__(self, folder: Path | None, *, draw: bool) -> None:
        if folder is not None and not folder.is_dir():
            raise ValueError(f"images={str(folder)!r} is not a folder: give one that holds photographs")
        self.folder = folder
        #: The photographs that were there at the start; later ones are served too, but not listed.
        self.names = sorted(
            path.name for path in (folder.iterdir() if folder else ()) if self._read(path.parent, path.name) is not None
        )
        #: Whether looking up blocks too briefly to matter.
        self.instant = folder is None and not draw
        self._draw: Callable[[str], bytes] = photograph if draw else _draw_nothing

    def find(self, name: str) -> File | None:
        """The picture called *name*."""
        if not media_type_of(name).startswith("image/") or name.startswith("missing") or set(name) & set("/\\\0"):
            return None
        if self.folder is not None:
            return self._read(self.folder, name)
        content = b"This is no picture." if name.startswith("broken") else self._draw(name)
        kind = "image/webp" if content.startswith(b"RIFF") else "image/jpeg"  # whatever suffix it was asked for by
        return File(content, len(content), kind, f'"{blake2b(content, digest_size=8).hexdigest()}"')

    def _read(self, folder: Path, name: str) -> File | None:
        try:
            path = Path(os.path.realpath(folder / name))  # unlike `resolve` it survives links in a circle
            # A link may lead anywhere; what is shown lies in the folder.
            inside = path.parent == folder.resolve() and media_type_of(path.name).startswith("image/")
            if not inside or not path.is_file():
                return None
            return file_on_disk(path, f"{path.stat().st_mtime_ns:x}")
        except OSError:  # a name of more than 255 bytes, for one
            return None

    def name_in(self, url: str, own_host: str) -> str | None:
        """The name of the picture that *url* means, if it is ours: on an example host or under our own address."""
        parts = urlsplit(url)
        own = parts.netloc.lower() == own_host.lower() and parts.path.startswith(FOLDER)
        if own or is_example(parts.hostname or ""):
            return name_of(unquote(parts.path))
        return None


def name_of(path: str) -> str:
    """The file name at the end of a URL's path, which is decoded already."""
    return path.rpartition("/")[2]


def _draw_nothing(_: str) -> bytes:
    return GREY
