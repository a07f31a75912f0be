"""The net below every command: whatever goes wrong ends in a line that names the fix, and in an exit code."""

import errno
import os
import sys
import traceback
from contextlib import suppress
from contextvars import ContextVar
from typing import cast

from ideal_async import (
    ApiError,
    ConnectionFailed,
    DownloadFailed,
    IdealError,
    JournalFailed,
    OutOfCredits,
    RateLimited,
    ServerError,
    SubmissionUnknown,
    TaskFailed,
    Unauthorized,
)

from ._terminal import DONE, FAILED, IN_DOUBT, INTERRUPTED, MISUSED, UNFINISHED, Refused, say

#: What a command found out about the money before something else went wrong; a full disk makes no doubt smaller.
verdict: ContextVar[int] = ContextVar("verdict", default=DONE)

#: Set to 1, an unexpected error is shown with its traceback.
TRACEBACK = "IDEAL_ASYNC_TRACEBACK"
#: The extra that brings a module.
EXTRAS = {
    **dict.fromkeys(("cyclopts", "jinja2", "rich"), "cli"),
    **dict.fromkeys(("av", "numpy", "uvicorn"), "cli,sandbox"),
    "starlette": "webdemo",
}
#: What helps against errors of the operating system.
CURES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "make it yours, or choose another place",
    errno.EPERM: "make it yours, or choose another place",
    errno.EROFS: "choose another place",
    errno.EMFILE: "allow more open files (ulimit -n), or fewer at once",
}
#: What a script does after an error; the first line that fits counts, and what fits none can be tried again.
CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((KeyboardInterrupt,), INTERRUPTED),
    ((Unauthorized, ImportError), MISUSED),
    ((SubmissionUnknown,), IN_DOUBT),
    ((OutOfCredits, ServerError, RateLimited), UNFINISHED),
    ((ApiError, TaskFailed, BrokenPipeError), FAILED),
)
#: What Windows says of a pipe whose reader has left: an OSError like any other, with no file in it.
_CLOSED_PIPE = {errno.EINVAL} if os.name == "nt" else set[int]()
_GOES_ON = (ConnectionFailed, DownloadFailed, JournalFailed)


def report_error(error: BaseException) -> int:
    """Say in a line why a command ended and what mends it; return the exit code."""
    error = _first(error)
    if os.environ.get(TRACEBACK) == "1":
        traceback.print_exception(error)
    code = code_of(error)
    with suppress(OSError, ValueError):  # stderr may be gone too
        say(_explain(error), style="" if isinstance(error, KeyboardInterrupt) else "red")
    return IN_DOUBT if verdict.get() == IN_DOUBT else code


def _first(error: BaseException) -> BaseException:
    """Find what went wrong first among errors that come together; an interruption counts before all others."""
    if isinstance(error, OSError) and error.errno in _CLOSED_PIPE and error.filename is None:
        return BrokenPipeError()
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    leaves = [_first(leaf) for leaf in group.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, KeyboardInterrupt)), leaves[0])


def code_of(error: BaseException) -> int:
    """Tell what a script should do after *error*."""
    if isinstance(error, Refused):
        return error.code
    return next((code for kinds, code in CODES if isinstance(error, kinds)), UNFINISHED)


def _explain(error: BaseException) -> str:
    match error:
        case BrokenPipeError() | KeyboardInterrupt():
            # Whoever read our output has left, as `head` does; nobody needs to hear of it.
            return "" if isinstance(error, OSError) else "Interrupted."
        case ImportError() if (extra := EXTRAS.get((error.name or "").partition(".")[0])) is not None:
            return f'This needs more packages (there is no {error.name}): pip install "ideal-async[{extra}]"'
        case ImportError() if "pip install" in str(error):  # the library's own words
            return str(error)
        case Refused() | IdealError():
            return _explain_ours(error)
        case OSError():
            cure = CURES.get(error.errno or 0, "mend that")
            return f"This computer says no: {error}: {cure}; the same command goes on"
        case _:
            return (
                f"This should not have happened ({type(error).__name__}: {error}). Nothing that was paid is lost: the "
                f"same command goes on. Please report it, with what the command shows after {TRACEBACK}=1"
            )


def _explain_ours(error: Exception) -> str:
    words = words_of(error)
    return f"{words}. Nothing is lost: the same command goes on" if isinstance(error, _GOES_ON) else words


def words_of(error: BaseException) -> str:
    """Say what went wrong in the words of the command line; the ways out of a doubt are commands, and come later."""
    if isinstance(error, Unauthorized):
        return refused_key(error)
    if isinstance(error, SubmissionUnknown):
        return str(error).partition(". If there is one:")[0]
    return str(error).replace("check base_url", "check --base-url")


def refused_key(error: BaseException) -> str:
    """Say what to do about a key that the service does not accept."""
    return f"{error}: set IDEAL_HOUSE_API_KEY to a key of your account, or pass --api-key-file FILE"


def leave_stdout() -> None:
    """Nobody can have what is still to be written; it would raise once more when the program ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
