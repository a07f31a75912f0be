"""Where a journal is: a file, or a database that many hosts share; the password of that is never shown."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import attrs

from ideal_async import Journal

from ._terminal import Refused

if TYPE_CHECKING:
    from ideal_async.postgres import PostgresJournal

_SCHEMES = ("postgresql://", "postgres://")
_SECRETS = {"password", "sslpassword"}


@attrs.frozen
class Shared:
    """A journal in a database. As text it has no password: libpq takes that from PGPASSWORD or ~/.pgpass as well."""

    dsn: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return without_password(self.dsn)


def place_of(text: str) -> Path | Shared:
    """Tell files from databases."""
    return Shared(text) if text.startswith(_SCHEMES) else Path(text)


def open_journal(place: Path | Shared) -> "Journal | PostgresJournal":
    """Open either; to be closed by `with`.

    Raises:
        Refused: The extra is missing.
    """
    if isinstance(place, Path):
        return Journal(place)
    try:
        from ideal_async.postgres import PostgresJournal
    except ImportError as error:
        raise Refused(str(error)) from None
    return PostgresJournal(place.dsn)


def without_password(word: str) -> str:
    """Write a word of a command line as it may be shown.

    >>> without_password("--journal=postgresql://me:secret@db.example/videos")
    '--journal=postgresql://me@db.example/videos'
    """
    found = next((scheme for scheme in _SCHEMES if scheme in word), None)
    if found is None:
        return word
    before, _, rest = word.partition(found)
    person, at, place = rest.rpartition("@")  # the last one: a password may have others
    place, mark, query = place.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in _SECRETS]
    if len(kept) < len(parse_qsl(query, keep_blank_values=True)):
        query = urlencode(kept)
    return before + found + person.partition(":")[0] + at + place + (mark if query else "") + query
