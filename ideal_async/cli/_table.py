"""CSV, as a spreadsheet of any country writes it, with comments."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

import attrs

from ._columns import LONGEST_ROW, Columns, Problem, Row, fold, read_cell, read_result, split_lines

#: What our own results give back to the character, blanks at the ends too: a key is one job, and so is its request.
EXACT = ("key", "prompt")


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


def read_csv(source: str, text: str, known: Columns) -> Iterator[Row | Problem]:
    """Read a table whose first line names the columns."""
    lines = _Lines(text)
    first = next((line for line in split_lines(text) if line.strip() and not line.startswith("#")), "")
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
            yield Row(source, line, table.read(cells), table.earlier(cells))
        except ValueError as error:
            yield Problem(source, line, str(error))


@attrs.frozen
class _Table:
    """What the header of a table says.

    Attributes:
        columns: Our names, in their order; `None` for one that is left out, `""` for one that has no name.
        problems: What is wrong with it.
        results: The folded names, if these are results of an earlier run; else empty.
    """

    columns: list[str | None]
    problems: list[str]
    results: list[str]

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
        return cls(columns, problems, [] if extended is known else [*map(fold, cells)])

    def read(self, cells: list[str]) -> dict[str, Any]:
        """Read a record.

        Raises:
            ValueError: Something in it has no column, or it is too long.
        """
        if sum(map(len, cells)) > LONGEST_ROW:
            raise ValueError(f"longer than {LONGEST_ROW:,} characters")
        fields: dict[str, Any] = {}
        for name, cell in zip_longest(self.columns, cells, fillvalue=""):
            exact = self.results and name in EXACT
            if name is None or not (cell if exact else cell.strip()):
                continue
            if not name:
                named = sum(map(bool, self.columns))
                columns = "1 column" if named == 1 else f"{named} columns"
                raise ValueError(f"{_filled(cells)} cells, but the header names {columns}")
            # Our own results have a ' before what a spreadsheet might take for something else.
            text = cell if not self.results else cell.removeprefix("'")
            fields[name] = text if exact else read_cell(name, text)
        return fields

    def earlier(self, cells: list[str]) -> str | None:
        """Read what an earlier run paid for a record; `None`: this is no file of results.

        Raises:
            ValueError: It cannot be made from its results.
        """
        return read_result(dict(zip(self.results, cells, strict=False))) if self.results else None

    def doubts(self, comments: Iterable[tuple[int, str]], delimiter: str) -> Iterator[tuple[int, str]]:
        """Find the comments that may be jobs whose key begins with #; a job is not left out without a word."""
        if self.columns[0] != "key":
            return
        place = self.columns.index("image_url")
        for number, comment in comments:
            # Read as a record would be, for a quoted cell may hold the delimiter; no more than the reader takes.
            cells = next(csv.reader([comment[:LONGEST_ROW]], delimiter=delimiter))
            if len(cells) > place and re.match("https?://", cells[place].strip(), re.IGNORECASE):
                key = cells[0].strip()
                yield number, f'is this a comment, or a job with the key {key}? Delete the line, or write "{key}"'


def _filled(cells: list[str]) -> int:
    """Count the cells up to the last that is not empty."""
    return max((number for number, cell in enumerate(cells, 1) if cell.strip()), default=0)
