"""The API key, and where it may go."""

import logging
import traceback
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, cast

import httpx

#: Characters of a key that cannot occur in an answer by chance.
_RECOGNISABLE = 12


class ApiKey:
    """The API key, which must not come out of any repr."""

    __slots__ = ("_bytes", "headers")

    def __init__(self, key: str) -> None:
        self.headers = {"APIKEY": key, "Accept": "application/json", "Accept-Encoding": "identity"}
        recognisable = len(key) >= _RECOGNISABLE and not key.isdecimal()
        self._bytes = (key.encode(), key.replace("/", "\\/").encode()) if recognisable else ()

    def __repr__(self) -> str:
        return "<API key>"

    def redact(self, text: str) -> str:
        """Leave the key out where somebody else's words repeat it."""
        return text.replace(self.headers["APIKEY"], repr(self))

    def redact_bytes(self, content: bytes) -> bytes:
        """Leave the key out of an answer; a short one may be part of anything in there, so it stays."""
        for secret in self._bytes:
            content = content.replace(secret, repr(self).encode())
        return content

    def redact_error(self, error: BaseException) -> None:
        """Leave the key out of all that an exception says, and of what it was caused by.

        The lines of their tracebacks stay; the variables go, for trackers of errors show them, and those of a transport
        may hold the key's header (aiohttp).
        """
        seen: set[int] = set()  # a chain may lead back to its beginning
        errors: list[BaseException] = [error]
        while errors:
            found = errors.pop()
            if id(found) in seen:
                continue
            seen.add(id(found))
            traceback.clear_frames(found.__traceback__)
            with suppress(Exception):  # a frozen one; then it is shown in another's place, if it says the key
                found.args = tuple(self._redact_value(value) for value in found.args)
                for name, value in list(vars(found).items()):
                    if isinstance(value, str | list):
                        setattr(found, name, self._redact_value(value))
            for link in ("__cause__", "__context__"):
                linked = getattr(found, link)
                if linked is not None and self.headers["APIKEY"] in self._words(linked):
                    setattr(found, link, self._stand_in(linked))
                elif linked is not None:
                    errors.append(linked)
            errors += _parts(found)

    def _words(self, error: BaseException) -> str:
        """Return what an exception says when it is shown, unless it says nothing else with its arguments redacted."""
        with suppress(Exception):
            error.args = tuple(self._redact_value(value) for value in error.args)
        parts = _parts(error)
        return (
            " ".join([words_of(error), *map(self._words, parts)]) if parts else words_of(error) + words_of(error, repr)
        )

    def _stand_in(self, error: BaseException) -> BaseException:
        """Return another exception that says the same, for one that keeps the key where it cannot be taken out."""
        traceback.clear_frames(error.__traceback__)
        stand_in = Exception(self.redact(f"{type(error).__name__}: {words_of(error)}"))
        return stand_in.with_traceback(error.__traceback__)

    def _redact_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, bytes):
            return value.replace(self.headers["APIKEY"].encode(), repr(self).encode())
        if isinstance(value, list):
            return [self._redact_value(item) for item in cast("list[object]", value)]
        return value


def words_of(error: BaseException, show: Callable[[object], str] = str) -> str:
    """Return what an exception says, which may be of any making."""
    try:
        return show(error)
    except Exception:  # noqa: BLE001 - anybody's code
        return ""


def _parts(error: BaseException) -> tuple[BaseException, ...]:
    """Return the members of a group."""
    return cast("BaseExceptionGroup[BaseException]", error).exceptions if isinstance(error, BaseExceptionGroup) else ()


def check_api_key(key: str | None) -> str:
    """Return a key that can be a header.

    Raises:
        ValueError: There is none, or it is none; it is not repeated in the message.
    """
    if key is not None and not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"the API key must be str, not {type(key).__name__}")
    if not key:
        raise ValueError("no API key: pass api_key=..., or set IDEAL_HOUSE_API_KEY")
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ValueError("the API key has characters that cannot be in a header (a line break at its end, perhaps?)")
    return key


def check_base_url(base_url: str | httpx.URL) -> httpx.URL:
    """Return the API's base URL without a slash at its end.

    Raises:
        TypeError: It is no text.
        ValueError: It is no http(s) URL, or would carry the key over a network in clear text.
    """
    if not isinstance(base_url, str | httpx.URL):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"base_url is text such as https://api.ideal.house, not {base_url!r}")
    try:
        url = httpx.URL(str(base_url).rstrip("/"))
    except httpx.InvalidURL as error:
        raise ValueError(f"base_url is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment or url.userinfo:
        raise ValueError("base_url must look like https://api.ideal.house")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ValueError("base_url must be https: over plain http everyone on the way can read the API key")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class _WithoutHeaders(logging.Filter):
    """hpack logs at DEBUG every header that it packs, the key among them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through what is above DEBUG."""
        return record.levelno > logging.DEBUG


_WITHOUT_HEADERS = _WithoutHeaders()


def keep_headers_out_of_logs() -> None:
    """Take what hpack says of headers out of the logs."""
    for name in ("hpack.hpack", "hpack.table"):
        logging.getLogger(name).addFilter(_WITHOUT_HEADERS)  # the same one again is none
