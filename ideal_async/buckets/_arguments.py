"""What a bucket is made of: refused where it cannot work, with the fix in one line; and the store behind a place."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ._cloud import CLOUDS, LONGEST_LIFETIMES, Cloud
from ._photos import Fit
from ._store import Folder, Store

#: Seconds; beyond it there is no date to write down.
LONGEST_LIFETIME = 100 * 365 * 86_400
_NONE = type(None)
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "place": ((str,), 'text such as "s3://photos/tour"'),
    "lifetime": ((int, float), "a number of seconds"),
    "prepare": ((Fit, bool, _NONE), "True or a Fit"),
    "url": ((str, _NONE), "text such as https://photos.example/tour"),
    "profile": ((str, _NONE), "the name of a profile"),
    "config": ((Mapping, _NONE), 'a mapping such as {"endpoint": "https://..."}'),
}


def check_kinds(**given: Any) -> None:
    """Refuse what is of another kind, with the fix.

    Raises:
        TypeError: Something is.
    """
    for name, (kinds, example) in _KINDS.items():
        value = given[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and name != "prepare"):
            raise TypeError(f"{name} is {example}, not {type(value).__name__}")


def open_store(
    place: str, *, lifetime: float, url: str | None, profile: str | None, config: Mapping[str, str]
) -> Store:
    """Return the store of a place; nobody is asked yet.

    Raises:
        ValueError: The place cannot be used, or the store gives no such lifetime.
    """
    parts = urlsplit(place)
    if parts.query or parts.fragment or ("@" in parts.netloc and not parts.scheme.startswith("abfs")):
        raise ValueError("a bucket's place holds no secrets and no query: use the environment, profile= or config=")
    if not 0 < lifetime <= LONGEST_LIFETIME:
        raise ValueError(f"lifetime must be a positive number of seconds, a century at most, not {lifetime!r}")
    longest = LONGEST_LIFETIMES.get(parts.scheme)
    if longest is not None and lifetime > longest:
        raise ValueError(f"{parts.scheme}:// signs URLs for {longest} seconds (a week) at most, not {lifetime:g}")
    if parts.scheme == "file":
        if url is None or urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("a file: folder needs url=, the http(s) URL under which the service can fetch from it")
        if parts.netloc not in ("", "localhost") or not parts.path.strip("/"):
            raise ValueError(f"{place!r} names no folder: three slashes and an absolute path, file:///srv/photos")
        return Folder(place, url=url)
    if parts.scheme in CLOUDS and parts.netloc and url is None:
        return Cloud(parts.geturl(), profile=profile, config=config)
    raise ValueError(f"{place!r} is no place of a bucket: use s3://, gs:// or az://, or file:// with url=")
