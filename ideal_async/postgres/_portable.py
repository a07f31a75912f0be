"""The journal's SQL in the dialect of PostgreSQL."""

import re
from functools import lru_cache
from typing import Any, cast

import psycopg

_LISTS = re.compile(r"json_each\((:\w+|\?)\)")
_NAMES = re.compile(r"(?<![:\w]):(\w+)")


@lru_cache(maxsize=200)  # there are some dozens of statements
def translate(sql: str) -> str:
    """Turn a statement of the journal's into what psycopg takes."""
    sql = _LISTS.sub(r"json_array_elements_text((\1)::json) AS each (value)", sql.replace("%", "%%"))
    return _NAMES.sub(r"%(\1)s", sql).replace("?", "%s")


class Portable:
    """A connection to PostgreSQL that takes the journal's SQL."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self.connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> psycopg.Cursor[tuple[Any, ...]]:
        """Run one statement."""
        values: Any
        if isinstance(parameters, dict):
            values = {name: _storable(value) for name, value in cast("dict[str, Any]", parameters).items()}
        else:
            values = [_storable(value) for value in parameters]
        return self.connection.execute(translate(sql).encode(), values)


def _storable(value: Any) -> Any:
    """PostgreSQL ends a text at U+0000, which somebody else's words may contain."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value
