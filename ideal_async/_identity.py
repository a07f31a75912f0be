"""Names: a URL as it is kept or shown, an API by its origin, a job by its key, who pays, a task by its id."""

import re
from urllib.parse import urlsplit

#: Where a URL begins in running text, also as JSON escapes it. No scheme in front: an expression that looks for one
#: reads a long word again from each of its letters.
_URL = re.compile(r":(?://|\\/\\/)[^\s<>\"']+")
_USER = re.compile(r"(//|\\/\\/)[^/\\]*@")
_PORTS = {"http": 80, "https": 443}
#: Bytes of UTF-8 in a key, and in the name of an account. An index of PostgreSQL takes 2,704 for both with the origin.
LONGEST_NAME = 1000


def redact_url(url: str) -> str:
    """Return a URL without what may be secret: query string, fragment, user and password.

    Example:
        >>> redact_url("https://me:secret@cdn.example/room.jpg?Signature=abc#token")
        'https://cdn.example/room.jpg'
    """
    return _USER.sub(r"\1", re.split(r"[?#]", url, maxsplit=1)[0])


def redact_text(text: str) -> str:
    """Return *text* with every URL in it as `redact_url` leaves it, in time that grows with its length only.

    Example:
        >>> redact_text("cannot read https://cdn.example/room.jpg?Signature=abc, try again")
        'cannot read https://cdn.example/room.jpg try again'
    """
    return _URL.sub(lambda found: redact_url(found[0]), text)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, the port always written out: what a journal's rows are scoped by.

    Raises:
        TypeError: It is no text.
        ValueError: It is no http(s) URL with a host.

    Example:
        >>> origin_of("https://API.ideal.house/api/v1")
        'https://api.ideal.house:443'
    """
    if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers without types
        raise TypeError(f"an origin is a URL such as https://api.ideal.house, not {url!r}")
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"an origin looks like https://api.ideal.house, not {redact_url(url)!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or _PORTS[parts.scheme]}"


def check_key(key: str) -> str:
    """Return a key that can be found again.

    Raises:
        TypeError: It is no text.
        ValueError: It is empty, or cannot be written as UTF-8.
    """
    _check_text("a key", key)
    if not key:
        raise ValueError("a key must not be empty: name what is ordered, or pass None")
    return key


def check_account(account: str) -> str:
    """Return the name of an account; empty for the only one.

    Raises:
        TypeError: It is no text.
        ValueError: It cannot be written as UTF-8.
    """
    _check_text("an account", account)
    return account


def _check_text(what: str, text: str) -> None:
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may have no type checker
        raise TypeError(f"{what} must be str, not {type(text).__name__}: str(...) will do")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{what} must be text that can be written as UTF-8, not {text!r}") from error
    if "\0" in text:
        raise ValueError(f"{what} must not have the character U+0000 in it: databases end a text there")


def find_too_long(key: str, account: str) -> str:
    """Say which name is longer than any that begins today, and what to do; empty: none is.

    Older journals may have such names; those can still be found.
    """
    for what, text in (("a key", key), ("an account", account)):
        size = len(text.encode())
        if size > LONGEST_NAME:
            return (
                f"{what} must have at most {LONGEST_NAME:,} bytes of UTF-8, not {size:,}: pass a shorter name, such as "
                "hashlib.sha256(name.encode()).hexdigest()"
            )
    return ""


def check_id(task_id: int) -> int:
    """Return a task id that can be one.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is out of range.
    """
    if not isinstance(task_id, int) or isinstance(task_id, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a task id is an int, not {type(task_id).__name__} (pass task.id)")
    if not 0 < task_id < 1 << 64:
        raise ValueError("a task id is a positive number of 64 bits")
    return task_id
