"""Where things are: a journal in a file or a database that hosts share, whose password is never shown; a bucket."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast
from urllib.parse import parse_qsl, urlencode

import attrs
from cyclopts import Group, Parameter
from cyclopts.types import PositiveFloat, PositiveInt

from ideal_async import Journal

from ._files import JOURNAL
from ._terminal import Refused

if TYPE_CHECKING:
    from ideal_async.buckets import Bucket
    from ideal_async.postgres import PostgresJournal

#: What an address has, and no file.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_DATABASE = re.compile(r"postgres(ql)?(\+\w+)?://", re.IGNORECASE)
#: What libpq takes as well: host=db.example dbname=videos.
_WORDS = re.compile(r"\s*(service|host|hostaddr|port|dbname|user|password|sslmode)\s*=", re.IGNORECASE)
_PASSWORD = re.compile(r"\b((?:ssl)?password)\s*=\s*('(?:[^'\\]|\\.)*'?|\S*)\s*", re.IGNORECASE)
#: How every file of SQLite begins: https://sqlite.org/fileformat.html, 1.3.1.
SQLITE = b"SQLite format 3\0"
_SECRETS = {"password", "sslpassword"}


HOSTS = Group("Limits over all hosts, with --journal postgresql://...", sort_key=5)


@attrs.frozen
class Shared:
    """A journal in a database. As text it has no password: libpq takes that from PGPASSWORD or ~/.pgpass as well."""

    dsn: str = attrs.field(repr=False)

    def __str__(self) -> str:
        return without_password(self.dsn)


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class HostLimits:
    """What one account may do at once over all hosts; give all of them the same."""

    limit_posts: Annotated[
        PositiveInt | None, Parameter(group=HOSTS, help="Requests on their way, at most; 8 by default.")
    ] = None
    limit_in_flight: Annotated[
        PositiveInt | None, Parameter(group=HOSTS, help="Tasks at the service, at most; 500 by default.")
    ] = None
    limit_per_second: Annotated[
        PositiveFloat | None, Parameter(group=HOSTS, help="Requests a second, at most; no limit by default.")
    ] = None
    limit_credits: Annotated[
        PositiveInt | None, Parameter(group=HOSTS, help="Credits that may be spent in all; no limit by default.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Tell the limits that were given, by the library's names."""
        limits = attrs.asdict(self).items()
        return {name.removeprefix("limit_"): value for name, value in limits if value is not None}


def place_of(text: str) -> Path | Shared:
    """Tell files from databases.

    Raises:
        Refused: It is the address of something else.
    """
    address = _ADDRESS.match(text)
    if _WORDS.match(text) or (address and address[1] in ("postgresql", "postgres")):
        return Shared(text)
    if address:
        raise Refused(f"a journal is a file or postgresql://..., not {address[1]}://...")
    return Path(text)


def open_journal(place: Path | Shared, limits: HostLimits | None = None) -> "Journal | PostgresJournal":
    """Open either; to be closed by `with`.

    Raises:
        Refused: The extra is missing, or the path can be none of a journal.
    """
    if isinstance(place, Path):
        _check_path(place)
        return Journal(place)
    try:
        from ideal_async.postgres import Limits, PostgresJournal
    except ImportError as error:
        raise Refused(str(error)) from None
    return PostgresJournal(place.dsn, limits=Limits(**limits.given() if limits else {}))


def _check_path(path: Path) -> None:
    """Tell a slip from trouble: what is no file of SQLite is none in the next run either.

    Raises:
        Refused: It is none.
    """
    if path.is_dir():
        raise Refused(f"{path} is a folder: name a file in it as the journal")
    if path.exists() and not path.is_file():
        raise Refused(f"{path} is a device, a pipe or a socket: name a file as the journal")
    try:
        with path.open("rb") as file:
            begin = file.read(len(SQLITE))
    except OSError:  # there is none yet; or the journal tells what is wrong with it
        return
    if begin and begin != SQLITE:
        raise Refused(f"{path} is no journal: name another path, or move the file aside")


def check_limits(place: Path | Shared, limits: HostLimits | None) -> None:
    """Let limits over all hosts be there only with a journal that they share.

    Raises:
        Refused: It is one host's own.
    """
    if isinstance(place, Path) and limits is not None and limits.given():
        raise Refused(
            "limits over all hosts need the journal that they share: --journal postgresql://...; one host has "
            "--max-in-flight and --budget"
        )


def exists(place: Path | Shared) -> bool:
    """Tell whether there is a journal; none is made.

    Raises:
        JournalFailed: The database cannot be asked.
        Refused: The extra is missing.
    """
    if isinstance(place, Path):
        return place.exists()
    with open_shared(place) as journal:
        return journal.exists()


def open_shared(place: Path | Shared) -> "PostgresJournal":
    """Open a journal that hosts share.

    Raises:
        Refused: It is a file, or the extra is missing.
    """
    _check_shared(place)
    return cast("PostgresJournal", open_journal(place))


def _check_shared(place: Path | Shared) -> None:
    """Say what a file cannot do before it is looked for: nothing is made.

    Raises:
        Refused: It is one, or a folder.
    """
    if isinstance(place, Path):
        what = "folder" if place.is_dir() else "file"
        raise Refused(f"{place} is a {what}, which one host has for itself: this is for postgresql://... only")


@contextmanager
def opened(text: str) -> Generator["Journal | PostgresJournal"]:
    """Open a journal, or that of the batch in a folder; one that is not there is not made.

    Raises:
        Refused: It is not there.
    """
    with open_journal(find(place_of(text))) as journal:
        yield journal


@contextmanager
def shared(text: str) -> Generator["PostgresJournal"]:
    """Open a journal that hosts share, which must be there.

    Raises:
        Refused: It is not, or it is a file.
    """
    place = place_of(text)
    _check_shared(place)
    with open_shared(find(place)) as journal:
        yield journal


def find(place: Path | Shared) -> Path | Shared:
    """Find the journal of a batch by its folder.

    Raises:
        Refused: There is none.
    """
    if isinstance(place, Path) and place.is_dir():
        place /= JOURNAL
    if not exists(place):
        raise Refused(f"there is no journal {place}" if isinstance(place, Path) else f"{place} has no journal yet")
    return place


def open_bucket(place: str, *, prepare: bool = False) -> "Bucket":
    """Name a bucket; nothing is asked of it yet.

    Raises:
        Refused: It is no place of a bucket, or an extra is missing.
    """
    if place.lower().startswith("file:"):
        raise Refused(f"{place} is a folder, from which the service cannot fetch: use s3://, gs:// or az://")
    try:
        from ideal_async.buckets import Bucket

        return Bucket(place, prepare=prepare)
    except (ValueError, ImportError) as error:
        words = str(error).replace(", or file:// with url=", "")  # which is said to a program
        raise Refused(words.replace("environment, profile= or config=", "environment")) from None


def without_password(word: str) -> str:
    """Write a word of a command line as it may be shown.

    >>> without_password("--journal=postgresql://me:secret@db.example/videos")
    '--journal=postgresql://me@db.example/videos'
    >>> without_password("host=db.example password='my secret' dbname=videos")
    'host=db.example dbname=videos'
    """
    found = _DATABASE.search(word)
    if found is None:
        option, is_, value = word.partition("=") if word.startswith("--") else ("", "", word)
        return option + is_ + _PASSWORD.sub("", value).rstrip() if _WORDS.match(value) else word
    before, rest = word[: found.end()], word[found.end() :]
    person, at, place = rest.rpartition("@")  # the last one: a password may have others
    place, mark, query = place.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in _SECRETS]
    if len(kept) < len(parse_qsl(query, keep_blank_values=True)):
        query = urlencode(kept)
    return before + person.partition(":")[0] + at + place + (mark if query else "") + query
