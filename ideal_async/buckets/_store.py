"""Where objects lie, whatever keeps them; and a folder that some web server shows. Everything here blocks."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

import obstore
from obstore.store import from_url

from ideal_async import redact_url

#: What a store's word for trouble does not say by itself.
_FIXES = {
    r"builder error": "its address is plain http: use https, or config={'allow_http': 'true'} in a network of yours",
    r"latest/(api|meta-data)|computeMetadata|metadata/identity|Account must be specified": (
        "no keys were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or profile=, read by boto3), "
        "GOOGLE_APPLICATION_CREDENTIALS, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
    ),
}


class StoreFailed(OSError):
    """What a store said, on one line and without signatures."""


class Store(Protocol):
    """A place for objects."""

    def holds(self, name: str, mark: str | None = None) -> bool:
        """Tell whether an object is there; with *mark*, whether it bears that."""
        ...

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        """Store an object, whole or not at all."""
        ...

    def sign(self, name: str, lifetime: float) -> str:
        """Make a URL under which anybody can fetch it for *lifetime* seconds."""
        ...


@contextmanager
def speaking() -> Generator[None]:
    """Tell what goes wrong with a store as `StoreFailed`, in its own words and with the fix."""
    try:
        yield
    except Exception as error:
        raise _failed(error) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # Rust's, which is no `Exception`
            raise
        raise _failed(error) from error


def _failed(error: BaseException) -> StoreFailed:
    """Tell what an error of a store says: its first paragraph, and of URLs no more than where they lead."""
    text = " ".join(str(error)[:4000].partition("\n\nDebug source")[0].split()) or type(error).__name__
    text = re.sub(r"\b\w{1,9}://[^\s,)]+", lambda found: redact_url(found[0]), text)[:500]
    fix = next((fix for sign, fix in _FIXES.items() if re.search(sign, text)), None)
    return StoreFailed(f"{fix} ({text})" if fix else text)


class Folder:
    """A folder that some web server shows under a URL.

    Args:
        place: Such as `file:///srv/photos`.
        url: Of that folder.
    """

    def __init__(self, place: str, *, url: str) -> None:
        self._folder = Path(url2pathname(urlsplit(place).path))
        self._url = url.rstrip("/")

    def holds(self, name: str, mark: str | None = None) -> bool:
        """Look for the file, and for the note beside it."""
        if mark is None:
            return (self._folder / name).is_file()
        try:
            return (self._folder / name).is_file() and self._note(name).read_text("utf-8") == mark
        except OSError:
            return False

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        """Write it beside its place, then rename it; a web server tells media types from names."""
        del media_type
        with speaking():
            store = from_url(self._folder.as_uri(), mkdir=True)
            self._note(name).unlink(missing_ok=True)  # a note outlives no file: a crash may come between the two
            obstore.put(store, name, content, use_multipart=False)
            if mark is not None:
                self._note(name).write_text(mark, "utf-8")

    def sign(self, name: str, lifetime: float) -> str:
        """Give the URL as it is: how long the server shows it is the server's affair."""
        del lifetime
        return f"{self._url}/{quote(name)}"

    def _note(self, name: str) -> Path:
        path = self._folder / name
        return path.with_name(f".{path.name}.task")
