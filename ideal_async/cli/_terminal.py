"""Words for people on stderr, results on stdout, and nothing in either that a stranger's text could do harm with."""

import codecs
import io
import json
import logging
import os
import re
import shlex
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rich.cells import cell_len
from rich.console import Console

#: The words after the program's name, for the line that tells how to go on.
invocation: ContextVar[tuple[str, ...]] = ContextVar("invocation", default=())

#: Exit codes: what a script does next.
DONE = 0
FAILED = 1  # some job has no video, and the same command brings none: mend the request
MISUSED = 2  # nothing was sent: mend the command, the key or the input
UNFINISHED = 3  # nothing is lost: the same command goes on (after topping up, say)
IN_DOUBT = 4  # something may have been paid, nobody knows: look into the account
INTERRUPTED = 130  # the same command goes on

EXIT_CODES = """
**Exit codes**

* 0: done
* 1: a job failed or was refused; the same command would bring no more
* 2: wrong use, input or API key; nothing was sent
* 3: unfinished, but nothing is lost: the same command goes on
* 4: a request got no answer, so it may have been paid: look into your account
* 130: interrupted; the same command goes on
"""

#: Control characters, those that turn the writing direction or break lines, and halves of characters.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Refused(Exception):
    """The command ends here, for a reason that fits into a few lines."""

    def __init__(self, message: str, *, code: int = MISUSED) -> None:
        super().__init__(message)
        self.code = code


def prepare_streams() -> None:
    """Let nothing fail only because stdin, stdout or stderr is closed or cannot show a character."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes this number, which otherwise a file of videos would get
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for good
        stream = getattr(sys, name)
        if number > 0 and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ideal-async")


def _as_well_as_it_goes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write the bytes of a file name that is no text as they are, and what the encoding lacks in escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    error.end = error.start + 1  # the next one may be of the other kind
    try:
        return error.object[error.start].encode(error.encoding, "surrogateescape"), error.end
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


codecs.register_error("ideal-async", _as_well_as_it_goes)


def people() -> Console:
    """Return the way to who sits at the terminal: stderr."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def somebody_watches() -> bool:
    """Tell whether a question would be read and answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_to_spend(credits: int) -> None:
    """Let who sits at the terminal decide about the money.

    Raises:
        Refused: No.
    """
    people().print(f"Spend {credits:,} credits? [y/N] ", end="")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("Nothing was sent.")


def printable(text: object) -> str:
    """Make one line of somebody else's text for the eye: without the characters that would move the cursor.

    >>> printable("red: " + chr(27) + "[31m")
    'red: �[31m'
    """
    return _HARMFUL.sub("�", str(text))


def shell(words: Iterable[str]) -> str:
    r"""Write a command to paste: exactly these words, whatever is in them.

    >>> print(shell(["ideal-async", "Küche 3", "a" + chr(27) + "b"]))
    ideal-async 'Küche 3' $'a\x1bb'
    """
    return " ".join(map(_quote, words))


def _quote(word: str) -> str:
    if not _HARMFUL.search(word):
        return shlex.quote(word)
    inner = re.sub(r"['\\]", r"\\\g<0>", word)
    return f"$'{_HARMFUL.sub(_escape, inner)}'"


def _escape(found: re.Match[str]) -> str:
    try:
        data = found[0].encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character: no program can be given it
        data = "�".encode()
    return "".join(f"\\x{byte:02x}" for byte in data)


def say(text: str, *, style: str = "") -> None:
    """Tell people something, one line each."""
    console = people()
    for line in text.splitlines():
        console.print(printable(line), style=style, soft_wrap=True)


class _Log(logging.Handler):
    """Tells people what the library warns of, in words that harm no terminal; of a doubt its job tells."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.msg.startswith("a submission is in doubt"):
            say(record.getMessage())


@contextmanager
def library_heard() -> Generator[None]:
    """Tell people what the library warns of while the block runs."""
    log, logger = _Log(logging.WARNING), logging.getLogger("ideal_async")
    logger.addHandler(log)
    try:
        yield
    finally:
        logger.removeHandler(log)


def put(text: str) -> None:
    """Write a line of a result: exact for a program that reads it, harmless for a terminal."""
    sys.stdout.write(f"{printable(text) if sys.stdout.isatty() else text}\n")


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Write a number of things.

    >>> counted(1, "job"), counted(1000, "job"), counted(0, "entry", "entries")
    ('1 job', '1,000 jobs', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def put_json(value: Any) -> None:
    """Write a result for a script: one line of JSON, in ASCII, whatever the terminal can show."""
    sys.stdout.write(f"{json.dumps(value)}\n")


def put_table(head: Iterable[str], rows: Iterable[Iterable[object]], *, right: Iterable[int] = ()) -> None:
    """Write a result in columns of terminal cells; *right* are the numbers of those that hold numbers."""
    table = [[*head], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    numbers = set(right)
    for row in table:
        cells = [
            f"{' ' * (width - cell_len(cell))}{cell}" if index in numbers else f"{cell}{' ' * (width - cell_len(cell))}"
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        put("  ".join(cells).rstrip(" "))


@contextmanager
def refused() -> Generator[None]:
    """Say what the journal refuses in the words of the command line."""
    try:
        yield
    except ValueError as error:
        words = str(error).replace("force=True", "--force").replace("task_id=", "--task-id ")
        raise Refused(words.replace("origin=", "--origin ").replace("account=", "--account ")) from None
