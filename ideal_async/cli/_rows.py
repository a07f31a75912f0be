"""What stands in a file of jobs: CSV, JSON Lines or a list of URLs, each row with its line, and all that is wrong."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Literal, cast

from ._columns import LONGEST_ROW, Columns, Problem, Row, fold, read_result, split_lines
from ._patterns import expand_urls
from ._table import read_csv

Form = Literal["csv", "jsonl", "urls"]


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
    rows = _read(source, text, Columns(frozenset(map(fold, ignore))), form or guess(text)) if text.strip() else iter(())
    first = next(rows, None)
    yield first or Problem(source, None, "there are no jobs in it")
    yield from rows


def _read(source: str, text: str, known: Columns, form: Form) -> Iterator[Row | Problem]:
    if form == "urls":
        return _read_urls(source, text)
    return (read_csv if form == "csv" else _read_json_lines)(source, text, known)


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    if b"\x00" in data[:1000]:
        raise UnicodeDecodeError("utf-8", data, 0, 1, "zero bytes")
    return data.decode("utf-8-sig")


def guess(text: str) -> Form:
    """Tell from its first line what a file of jobs is; empty lines and comments do not count.

    >>> guess('{"imageUrl": "https://example.com/a.jpg"}'), guess("key,image_url"), guess("https://example.com/a.jpg")
    ('jsonl', 'csv', 'urls')
    """
    lines = (line.strip() for line in split_lines(text))
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith(("{", "[")):
        return "jsonl"
    return "urls" if re.match("https?://", first, re.IGNORECASE) else "csv"


def _read_json_lines(source: str, text: str, known: Columns) -> Iterator[Row | Problem]:
    for line, content in enumerate(split_lines(text), 1):
        if not content.strip() or content.startswith("#"):
            continue
        if len(content) > LONGEST_ROW:
            yield Problem(source, line, f"longer than {LONGEST_ROW:,} characters")
            continue
        try:
            yield _read_object(source, line, content, known)
        except RecursionError:  # its own words differ from one Python to the next
            yield Problem(source, line, "brackets within brackets, too deep to be an order")
        except ValueError as error:
            what = f"this is no JSON: {error}" if isinstance(error, json.JSONDecodeError) else str(error)
            yield Problem(source, line, what)


def _read_object(source: str, line: int, content: str, known: Columns) -> Row:
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
    earlier = None if extended is known else read_result({fold(name): value for name, value in found})
    return Row(source, line, {name: value for name, value in fields.items() if value is not None}, earlier)


class _Pairs(list[tuple[str, Any]]):
    """An object of JSON as it stands in the file; a plain list is an array."""


def _read_urls(source: str, text: str) -> Iterator[Row | Problem]:
    for line, content in enumerate(split_lines(text), 1):
        url = content.strip()
        if len(url) > LONGEST_ROW:
            yield Problem(source, line, f"longer than {LONGEST_ROW:,} characters")
        elif url and not url.startswith("#"):
            try:
                yield from (Row(source, line, {"image_url": each}) for each in expand_urls(url))
            except ValueError as error:
                yield Problem(source, line, str(error))
