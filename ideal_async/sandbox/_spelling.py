"""How numbers and values are written in the language of faults, each as one word."""

import json
import re
from typing import Any


def plain(number: float) -> str:
    """A number without an exponent or needless zeros.

    >>> plain(50.0), plain(0.1 * 3)
    ('50', '0.3')
    """
    return f"{number:.10f}".rstrip("0").rstrip(".")


def read_value(text: str) -> Any:
    """What `show NAME=` is followed by: JSON, or else just a word."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def write_value(value: Any) -> str:
    """As one word that `read_value` reads.

    >>> write_value("Paused"), write_value(5), write_value(None)
    ('Paused', '5', 'null')
    """
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_/][\w+:/.-]*", value, re.ASCII) and read_value(value) == value:
        return value
    # A script's words stand between spaces, so those inside a value are escaped.
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020").replace("#", "\\u0023")


def write_fields(fields: dict[str, Any]) -> list[str]:
    """A word for each field.

    >>> write_fields({"status": "Paused", "eta": 5})
    ['status=Paused', 'eta=5']
    """
    return [f"{name}={write_value(value)}" for name, value in fields.items()]
