"""What stands in a file of jobs: CSV, JSON Lines or a list of URLs, each row with its line, and all that is wrong."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import product, zip_longest
from typing import Any, Literal, cast

import attrs

Form = Literal["csv", "jsonl", "urls"]

#: The columns there are; `imageUrl`, `image_url` and `Image URL` are one.
COLUMNS = (
    "key",
    "image_url",
    "last_image_url",
    "duration",
    "resolution",
    "model_type",
    "generate_audio",
    "prompt",
)
#: Characters. A row with a URL of 2,000 and a long prompt has 10,000; a longer one is not what its author thinks it is.
LONGEST_ROW = 100_000
#: What one pattern may stand for; more is a slip of the keyboard.
MOST_URLS = 100_000
#: What tells a file of results of an earlier run from one of jobs; and all that stands in it beside the fields.
RESULTS = frozenset({"key", "status", "taskid", "imageurl"})
_SHORTENED = "urlshortened"
REPORTED = frozenset(
    (
        *("line", "status", "taskid", "credits", "video", "cover", "width", "height", "error", "looks"),
        *("queuedat", "waitedat", "startedat", "seenat", "foundat", "downloadedat", _SHORTENED),
    )
)
#: A cell that begins with one of these may be run as a formula; a ' before it makes it text (OWASP, CSV Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: What people type, and how the API spells it.
_NAMES = {name.lower(): name for name in ("480p", "720p", "1080p", "Flash", "Base")}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_RANGE = re.compile(r"\[(?P<first>\d+)-(?P<last>\d+)\]|\{(?P<words>[^{}]*,[^{}]*)\}", re.ASCII)


@attrs.frozen
class Row:
    """One row: its fields by our names; what is empty is left out."""

    source: str
    line: int
    fields: Mapping[str, Any]


@attrs.frozen
class Problem:
    """What is wrong, and where."""

    source: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.message}"


def read_rows(
    source: str, data: bytes, form: Form | None = None, *, ignore: Collection[str] = ()
) -> Iterator[Row | Problem]:
    """Read a file of jobs.

    Args:
        source: Its name, for the problems.
        data: Its content: UTF-8 with or without a byte order mark, or UTF-16 with one ("Unicode Text").
        form: What it is; `None`: what it looks like.
        ignore: Columns that are no fields and may be there, as they are spelled in the file.
    """
    try:
        text = _decode(data)
    except UnicodeDecodeError as error:
        line = None if error.encoding.startswith("utf-16") else data.count(b"\n", 0, error.start) + 1
        yield Problem(source, line, "this is no UTF-8 text: save the file as CSV UTF-8, or as JSON Lines")
        return
    if not text.strip():
        yield Problem(source, None, "there are no jobs in it")
        return
    columns = Columns(frozenset(map(_fold, ignore)))
    form = form or guess(text)
    if form == "urls":
        yield from _read_urls(source, text)
    else:
        read = _read_csv if form == "csv" else _read_json_lines
        yield from read(source, text, columns)


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    if b"\x00" in data[:1000]:
        raise UnicodeDecodeError("utf-8", data, 0, 1, "zero bytes")
    return data.decode("utf-8-sig")


def _lines(text: str) -> list[str]:
    """Split at the ends of lines of any system; not at other characters that may stand in a prompt."""
    return re.split("\r\n|\n|\r", text)


def guess(text: str) -> Form:
    """Tell from its first line what a file of jobs is; empty lines and comments do not count.

    >>> guess('{"imageUrl": "https://example.com/a.jpg"}'), guess("key,image_url"), guess("https://example.com/a.jpg")
    ('jsonl', 'csv', 'urls')
    """
    lines = (line.strip() for line in _lines(text))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith(("{", "[")):
        return "jsonl"
    return "urls" if re.match("https?://", first, re.IGNORECASE) else "csv"


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


@attrs.frozen
class Columns:
    """Which columns a file may have.

    Attributes:
        ignored: Folded names of those that are left out.
    """

    ignored: frozenset[str] = frozenset()

    def of_results(self, names: Iterable[str]) -> "Columns":
        """Leave out what an earlier run wrote beside the fields, if *names* are those of its results."""
        folded = {_fold(name) for name in names}
        return self if not folded >= RESULTS else Columns(self.ignored | REPORTED)

    def find(self, name: str) -> str | None:
        """Find our name of a column; `None`: it is left out.

        Raises:
            ValueError: There is none.
        """
        folded = _fold(name)
        for column in COLUMNS:
            if column.replace("_", "") == folded:
                return column
        if folded in self.ignored:
            return None
        near = get_close_matches(folded, [column.replace("_", "") for column in COLUMNS], n=1)
        hint = f"did you mean {self.find(near[0])}?" if near else f"there are {', '.join(COLUMNS)}"
        raise ValueError(f"unknown column {_short(name)}: {hint} (or leave it out: --ignore-columns {_short(name)})")


def _short(text: str) -> str:
    """Quote what a message can carry."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")  # noqa: PLR2004 - half a line


class _Lines:
    """The lines of a table for `csv.reader`, without the comments between its records."""

    def __init__(self, text: str) -> None:
        self._lines = iter(io.StringIO(text, newline=""))
        self.comments: list[tuple[int, str]] = []
        self.number = 0
        self.between_records = True

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            if self.between_records and line.startswith("#"):
                self.comments.append((self.number, line))
                continue
            self.between_records = False
            yield line


def _read_csv(source: str, text: str, known: Columns) -> Iterator[Row | Problem]:
    lines = _Lines(text)
    first = next((line for line in _lines(text) if line.strip() and not line.startswith("#")), "")
    said = re.fullmatch(r'"?sep=(.)"?', first.strip("\ufeff"), re.IGNORECASE)  # Excel's own first line
    delimiter = said[1] if said else max(",;\t", key=first.count)  # a spreadsheet's choice depends on its country
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    table: _Table | None = None
    skip = said is not None
    while True:
        lines.between_records = True
        line = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Problem(source, line, f"this is no CSV ({error}): is a quote opened and never closed?")
            continue
        if table is not None:
            yield from (Problem(source, number, doubt) for number, doubt in table.doubts(lines.comments, delimiter))
        line += len(lines.comments)
        lines.comments.clear()
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if skip:
            skip = False
            continue
        if table is None:
            table = _Table.of(cells, known)
            if table.problems:
                yield from (Problem(source, line, problem) for problem in table.problems)
                return
            continue
        try:
            yield Row(source, line, table.read(cells))
        except ValueError as error:
            yield Problem(source, line, str(error))


@attrs.frozen
class _Table:
    """What the header of a table says.

    Attributes:
        columns: Our names, in their order; `None` for one that is left out, `""` for one that has no name.
        problems: What is wrong with it.
        shortened: Where results of an earlier run say whether URLs are whole; `None`: these are no results.
    """

    columns: list[str | None]
    problems: list[str]
    shortened: int | None

    @classmethod
    def of(cls, cells: list[str], known: Columns) -> "_Table":
        extended = known.of_results(cells)
        columns: list[str | None] = []
        problems: list[str] = []
        for cell in cells:
            try:
                column = extended.find(cell) if cell.strip() else ""
            except ValueError as error:
                problems.append(str(error))
            else:
                if column and column in columns:
                    problems.append(f"the column {column} is there twice")
                columns.append(column)
        if "image_url" not in columns:
            problems.append(
                "there is no column image_url: the first line names the columns, as in key,image_url,prompt"
            )
        folded = [*map(_fold, cells), _SHORTENED]
        return cls(columns, problems, None if extended is known else folded.index(_SHORTENED))

    def read(self, cells: list[str]) -> dict[str, Any]:
        """Read a record.

        Raises:
            ValueError: Something in it has no column, or it is too long.
        """
        if sum(map(len, cells)) > LONGEST_ROW:
            raise ValueError(f"longer than {LONGEST_ROW:,} characters")
        fields: dict[str, Any] = {}
        for name, cell in zip_longest(self.columns, cells[: _filled(cells)], fillvalue=""):
            if name is None or not cell or not cell.strip():
                continue
            if not name:
                named = sum(map(bool, self.columns))
                raise ValueError(f"{_filled(cells)} cells, but the header names {named} columns")
            # Our own results have a ' before what a spreadsheet might take for something else.
            text = cell if self.shortened is None else cell.removeprefix("'")
            fields[name] = _read_cell(name, text)
        if self.shortened is not None and self.shortened < len(cells):
            _check_whole(cells[self.shortened])
        return fields

    def doubts(self, comments: Iterable[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, str]]:
        """Find the comments that may be jobs whose key begins with #; a job is not left out without a word."""
        if self.columns[0] != "key":
            return
        place = self.columns.index("image_url")
        for number, comment in comments:
            cells = comment.split(delimiter)
            if len(cells) > place and re.match('"?https?://', cells[place].strip(), re.IGNORECASE):
                key = cells[0].strip()
                yield number, f'is this a comment, or a job with the key {key}? Delete the line, or write "{key}"'


def _filled(cells: list[str]) -> int:
    """Count the cells up to the last that is not empty."""
    return max((number for number, cell in enumerate(cells, 1) if cell.strip()), default=0)


def _read_cell(name: str, cell: str) -> Any:
    """Read a cell as what its column holds; what it does not hold stays text, for the request to refuse."""
    text = cell.strip()
    if name == "duration":
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else text  # noqa: PLR2004
    if name == "generate_audio":
        return _WORDS.get(text.lower(), text)
    if name in ("resolution", "model_type"):
        return _NAMES.get(text.lower(), text)
    return text


def _read_json_lines(source: str, text: str, known: Columns) -> Iterator[Row | Problem]:
    for line, content in enumerate(_lines(text), 1):
        if not content.strip() or content.startswith("#"):
            continue
        if len(content) > LONGEST_ROW:
            yield Problem(source, line, f"longer than {LONGEST_ROW:,} characters")
            continue
        try:
            yield Row(source, line, _read_object(content, known))
        except RecursionError:  # its own words differ from one Python to the next
            yield Problem(source, line, "brackets within brackets, too deep to be an order")
        except ValueError as error:
            what = f"this is no JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield Problem(source, line, what)


def _read_object(content: str, known: Columns) -> dict[str, Any]:
    pairs: Any = json.loads(content, object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs):
        raise ValueError('each line is one JSON object, as in {"imageUrl": "https://…"}')  # noqa: TRY004 - of the file
    found = cast("list[tuple[str, Any]]", pairs)
    extended = known.of_results(name for name, _ in found)
    fields: dict[str, Any] = {}
    for name, value in found:
        column = extended.find(name)
        if column is None:
            continue
        if column in fields:
            raise ValueError(f"{column} is there twice")
        fields[column] = value
    if extended is not known:
        _check_whole(str(dict(found).get("url_shortened")))
    return {name: value for name, value in fields.items() if value is not None}


def _check_whole(shortened: str) -> None:
    if shortened.strip().lower() == "true":
        raise ValueError(
            "results hold this job's URL without what follows its ?: take the job from the file it was in first"
        )


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON as it stands in the file; a plain list is an array."""


def _read_urls(source: str, text: str) -> Iterator[Row | Problem]:
    for line, content in enumerate(_lines(text), 1):
        url = content.strip()
        if len(url) > LONGEST_ROW:
            yield Problem(source, line, f"longer than {LONGEST_ROW:,} characters")
        elif url and not url.startswith("#"):
            yield Row(source, line, {"image_url": url})


def expand_urls(pattern: str) -> Iterator[str]:
    """Write out a pattern of URLs: `[001-400]` counts, `{day,night}` lists.

    Raises:
        ValueError: It counts backwards, or stands for more than 100,000 URLs.

    >>> list(expand_urls("https://example.com/{living,bath}-[09-10].jpg"))[1:3]
    ['https://example.com/living-10.jpg', 'https://example.com/bath-09.jpg']
    """
    parts: list[list[str]] = []
    end = 0
    for found in _RANGE.finditer(pattern):
        parts += [[pattern[end : found.start()]], _choices(found)]
        end = found.end()
    many = 1
    for part in parts:
        many *= len(part)
    if many > MOST_URLS:
        raise ValueError(f"{_short(pattern)} stands for {many:,} URLs; at most {MOST_URLS:,} are meant to be")
    return ("".join(choice) + pattern[end:] for choice in product(*parts))


def _choices(found: re.Match[str]) -> list[str]:
    if found["words"] is not None:
        return found["words"].split(",")
    first, last = found["first"], found["last"]
    if len(last) > 7 or not int(first) <= int(last) <= int(first) + MOST_URLS:  # noqa: PLR2004 - ten million
        raise ValueError(f"{found[0]} does not count up, or too far")
    return [f"{number:0{len(first)}}" for number in range(int(first), int(last) + 1)]
