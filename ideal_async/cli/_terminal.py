"""Words for people on stderr, results on stdout, and nothing in either that a stranger's text could do harm with."""

import json
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from rich.console import Console

#: The words after the program's name, for the line that tells how to go on.
invocation: ContextVar[tuple[str, ...]] = ContextVar("invocation", default=())

#: Exit codes: what a script does next.
DONE = 0
FAILED = 1  # some job has no video, and the same command brings none: mend the request
MISUSED = 2  # nothing was sent: mend the command or the input
UNFINISHED = 3  # nothing is lost: the same command goes on (after topping up, say)
IN_DOUBT = 4  # something may have been paid, nobody knows: look into the account
INTERRUPTED = 130  # the same command goes on

EXIT_CODES = """
**Exit codes**

* 0: done
* 1: a job failed or was refused; the same command would bring no more
* 2: wrong use or input; nothing was sent
* 3: unfinished, but nothing is lost: the same command goes on
* 4: a request got no answer, so it may have been paid: look into your account
* 130: interrupted; the same command goes on
"""


class Refused(Exception):
    """The command ends here, for a reason that fits into a few lines."""

    def __init__(self, message: str, *, code: int = MISUSED) -> None:
        super().__init__(message)
        self.code = code


def people() -> Console:
    """Return the way to who sits at the terminal: stderr."""
    return Console(stderr=True, highlight=False, markup=False)


def printable(text: object) -> str:
    """Make one line of somebody else's text, without the characters that would move the cursor or hide words.

    >>> printable("red: " + chr(27) + "[31m")
    'red: �[31m'
    """
    return "".join(character if character.isprintable() else "�" for character in str(text))


def say(text: str, *, style: str = "") -> None:
    """Tell people something, one line each."""
    console = people()
    for line in text.splitlines():
        console.print(printable(line), style=style, soft_wrap=True)


def put(text: str) -> None:
    """Write a line of a result."""
    sys.stdout.write(f"{printable(text)}\n")


def put_json(value: Any) -> None:
    """Write a result for a script: one line of JSON, in ASCII, whatever the terminal can show."""
    sys.stdout.write(f"{json.dumps(value)}\n")


def put_table(head: Iterable[str], rows: Iterable[Iterable[object]], *, right: Iterable[int] = ()) -> None:
    """Write a result in columns; *right* are the numbers of those that hold numbers."""
    table = [[*head], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    numbers = set(right)
    for row in table:
        cells = [
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        put("  ".join(cells).rstrip())
