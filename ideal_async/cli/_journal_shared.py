"""`ideal-async journal` about a journal that hosts share: all of them pause, and how their batches stand."""

from typing import Literal

from ._connection import Connection
from ._entries import Json, put_entries
from ._places import open_shared, place_of, shared
from ._terminal import DONE, counted, put, put_json, put_table, say


def pause(path: str) -> int:
    """Let no host send anything until unpause; what is on its way is finished, tasks go on.

    Args:
        path: A journal that hosts share, postgresql://...
    """
    return _say_to_all(path, "pause", "no host sends anything now; `ideal-async journal unpause` lets them go on")


def unpause(path: str) -> int:
    """Let all hosts send again.

    Args:
        path: A journal that hosts share, postgresql://...
    """
    return _say_to_all(path, "unpause", "all hosts may send again")


def _say_to_all(path: str, verb: Literal["pause", "unpause"], done: str) -> int:
    with open_shared(place_of(path)) as journal:
        (journal.pause if verb == "pause" else journal.unpause)()
    say(done)
    return DONE


def progress(
    path: str, batch: str | None = None, connection: Connection | None = None, *, account: str = "", json: Json = False
) -> int:
    """Tell how batches stand and what they cost, whatever host makes them; quick however many jobs there are.

    **Example**

    * `ideal-async journal progress postgresql://db.example/videos spring/tour`

    Args:
        path: A journal that hosts share, postgresql://...
        batch: What stands before the last slash of its keys; all batches by default.
        connection: Where the service is.
        account: That pays.
        json: Write each count as a line of JSON, for scripts.
    """
    with shared(path) as journal:
        batches = journal.batches((connection or Connection()).origin, account=account, only=batch)
        paused = journal.paused
    counts = [(name, state, *figures) for name, states in batches.items() for state, figures in states.items()]
    for name, state, jobs, credits in counts if json else ():
        put_json({"batch": name, "state": state, "jobs": jobs, "credits": credits})
    if not json:
        rows = ((name, state, f"{jobs:,}", f"{credits:,}") for name, state, jobs, credits in counts)
        put_table(("batch", "state", "jobs", "credits"), rows, right=(2, 3))
    if paused:
        say("everybody pauses; `ideal-async journal unpause` lets them go on")
    return DONE


def stale(path: str, connection: Connection | None = None, *, account: str = "", json: Json = False) -> int:
    """Write the tasks that the service denies, or that nobody saw end for a day: they are paid, and hold no place.

    Args:
        path: A journal that hosts share, postgresql://...
        connection: Where the service is.
        account: That pays.
        json: Write each entry as a line of JSON, for scripts.
    """
    with shared(path) as journal:
        put_entries(journal.stale((connection or Connection()).origin, account=account), as_json=json)
    return DONE


def recount(path: str) -> int:
    """Make all totals anew from the rows: of tasks in flight, credits and batches; hosts wait meanwhile.

    Args:
        path: A journal that hosts share, postgresql://...
    """
    with shared(path) as journal:
        wrong = journal.recount()
    put(f"{counted(wrong, 'total')} {'was' if wrong == 1 else 'were'} wrong" if wrong else "all totals were right")
    return DONE
