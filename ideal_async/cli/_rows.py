"""What stands in a file of jobs: CSV, JSON Lines or a list of URLs, each row with its line, and all that is wrong."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import product
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


def read_rows(source: str, data: bytes, form: Form | None = None) -> Iterator[Row | Problem]:
    """Read a file of jobs.

    Args:
        source: Its name, for the problems.
        data: Its content, UTF-8 with or without a byte order mark.
        form: What it is; `None`: what it looks like.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:1000]:
        yield Problem(source, None, "this is no UTF-8 text: save it as CSV UTF-8, or as JSON Lines")
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield Problem(source, line, "this is no UTF-8: save the file as UTF-8")
        return
    if not text.strip():
        yield Problem(source, None, "there are no jobs in it")
        return
    readers = {"csv": _read_csv, "jsonl": _read_json_lines, "urls": _read_urls}
    yield from readers[form or guess(text)](source, text)


def guess(text: str) -> Form:
    """Tell from its first line what a file of jobs is; empty lines and comments do not count.

    >>> guess('{"imageUrl": "https://example.com/a.jpg"}'), guess("key,image_url"), guess("https://example.com/a.jpg")
    ('jsonl', 'csv', 'urls')
    """
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith(("{", "[")):
        return "jsonl"
    return "urls" if re.match("https?://", first, re.IGNORECASE) else "csv"


def _column(name: str) -> str:
    """Find our name of a column.

    Raises:
        ValueError: There is none.
    """
    folded = re.sub(r"[\s_-]", "", name).lower()
    for column in COLUMNS:
        if column.replace("_", "") == folded:
            return column
    near = get_close_matches(folded, [column.replace("_", "") for column in COLUMNS], n=1)
    hint = f"did you mean {_column(near[0])}?" if near else f"there are {', '.join(COLUMNS)}"
    raise ValueError(f"unknown column {_short(name)}: {hint}")


def _short(text: str) -> str:
    """Quote what a message can carry."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")  # noqa: PLR2004 - half a line


def _read_csv(source: str, text: str) -> Iterator[Row | Problem]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)  # a spreadsheet's choice depends on its owner's country
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Problem(source, line, f"this is no CSV ({error}): is a quote opened and never closed?")
            continue
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns, problems = _read_header(cells)
            if problems:
                yield from (Problem(source, line, problem) for problem in problems)
                return
        elif len(cells) > len(columns):
            yield Problem(source, line, f"{len(cells)} cells, but the header names {len(columns)} columns")
        elif sum(map(len, cells)) > LONGEST_ROW:
            yield Problem(source, line, f"longer than {LONGEST_ROW:,} characters")
        else:
            fields = {name: _read_cell(name, cell) for name, cell in zip(columns, cells, strict=False) if cell.strip()}
            yield Row(source, line, fields)


def _read_header(cells: list[str]) -> tuple[list[str], list[str]]:
    columns: list[str] = []
    problems: list[str] = []
    for cell in cells:
        try:
            column = _column(cell)
        except ValueError as error:
            problems.append(str(error))
        else:
            if column in columns:
                problems.append(f"the column {column} is there twice")
            columns.append(column)
    if "image_url" not in columns:
        problems.append("there is no column image_url: the first line names the columns, as in key,image_url,prompt")
    return columns, problems


def _read_cell(name: str, cell: str) -> Any:
    """Read a cell as what its column holds; what it does not hold stays text, for the request to refuse."""
    text = cell.strip()
    if name == "duration":
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else text  # noqa: PLR2004
    if name == "generate_audio":
        return _WORDS.get(text.lower(), text)
    return text


def _read_json_lines(source: str, text: str) -> Iterator[Row | Problem]:
    for line, content in enumerate(text.split("\n"), 1):
        if not content.strip():
            continue
        if len(content) > LONGEST_ROW:
            yield Problem(source, line, f"longer than {LONGEST_ROW:,} characters")
            continue
        try:
            yield Row(source, line, _read_object(content))
        except (ValueError, RecursionError) as error:
            what = f"this is no JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield Problem(source, line, what)


def _read_object(content: str) -> dict[str, Any]:
    pairs: Any = json.loads(content, object_pairs_hook=_Pairs)
    if not isinstance(pairs, _Pairs):
        raise ValueError('each line is one JSON object, as in {"imageUrl": "https://…"}')  # noqa: TRY004 - of the file
    fields: dict[str, Any] = {}
    for name, value in cast("list[tuple[str, Any]]", pairs):
        column = _column(name)
        if column in fields:
            raise ValueError(f"{column} is there twice")
        fields[column] = value
    return {name: value for name, value in fields.items() if value is not None}


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON as it stands in the file; a plain list is an array."""


def _read_urls(source: str, text: str) -> Iterator[Row | Problem]:
    for line, content in enumerate(text.split("\n"), 1):
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
