"""A row of a file of jobs: which columns there are, under whatever name, and what a cell holds."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import attrs

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
#: What tells a file of results of an earlier run from one of jobs; and all that stands in it beside the fields.
RESULTS = frozenset({"key", "status", "taskid", "imageurl"})
SHORTENED = "urlshortened"
REPORTED = frozenset(
    (
        *("line", "status", "taskid", "credits", "video", "cover", "width", "height", "error", "looks"),
        *("queuedat", "waitedat", "startedat", "seenat", "foundat", "downloadedat", SHORTENED),
    )
)
#: A cell that begins with one of these may be run as a formula; a ' before it makes it text (OWASP, CSV Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: What people type, and how the API spells it.
_NAMES = {name.lower(): name for name in ("480p", "720p", "1080p", "Flash", "Base")}
_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@attrs.frozen
class Row:
    """One row: its fields by our names; what is empty is left out.

    Attributes:
        earlier: What an earlier run paid for it, or may have paid, if this row is of that run's results; `None`: it is
            of a file of jobs.
    """

    source: str
    line: int
    fields: Mapping[str, Any]
    earlier: str | None = None


@attrs.frozen
class Problem:
    """What is wrong, and where."""

    source: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.message}"


def split_lines(text: str) -> list[str]:
    """Split at the ends of lines of any system; not at other characters that may stand in a prompt."""
    return re.split("\r\n|\n|\r", text)


def fold(name: str) -> str:
    """Write a column's name so that all spellings of it are one."""
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
        folded = {fold(name) for name in names}
        return self if not folded >= RESULTS else Columns(self.ignored | REPORTED)

    def find(self, name: str) -> str | None:
        """Find our name of a column; `None`: it is left out.

        Raises:
            ValueError: There is none.
        """
        folded = fold(name)
        for column in COLUMNS:
            if column.replace("_", "") == folded:
                return column
        if folded in self.ignored:
            return None
        near = get_close_matches(folded, [column.replace("_", "") for column in COLUMNS], n=1)
        hint = f"did you mean {self.find(near[0])}?" if near else f"there are {', '.join(COLUMNS)}"
        raise ValueError(f"unknown column {short(name)}: {hint} (or leave it out: --ignore-columns {short(name)})")


def short(text: str) -> str:
    """Quote what a message can carry."""
    return repr(text if len(text) <= 40 else f"{text[:40]}…")  # noqa: PLR2004 - half a line


def read_cell(name: str, cell: str) -> Any:
    """Read a cell as what its column holds; what it does not hold stays text, for the request to refuse."""
    text = cell.strip()
    if name == "duration":
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else text  # noqa: PLR2004
    if name == "generate_audio":
        return _WORDS.get(text.lower(), text)
    if name in ("resolution", "model_type"):
        return _NAMES.get(text.lower(), text)
    return text


def read_result(told: Mapping[str, Any]) -> str:
    """Read what an earlier run paid for a job, from what its results hold beside the fields, by folded names.

    Raises:
        ValueError: The URL was shortened when they were written.
    """
    if str(told.get(SHORTENED)).strip().lower() == "true":
        raise ValueError(
            "results hold this job's URL without what follows its ?: take the job from the file it was in first"
        )
    task = str(told.get("taskid") or "").strip().removeprefix("'")
    if task:
        return f"task {task}"
    return "a request without an answer" if str(told.get("status")).strip().lower() == "unknown" else ""
