"""The journal's door: what a client needs of any store, and `Journal`, which is one in a file.

What a second store shares with `Journal` is offered here as well: the steps, a person's verbs, and how values are
written.
"""

import importlib
from typing import TYPE_CHECKING

from .contract import Busy, Cap, Intent, JournalControl, JournalStore, check_account, check_key, new_intent
from .entries import (
    COLUMNS,
    STATES,
    Entry,
    State,
    decode_entry,
    encode_request,
    encode_task,
    encode_text,
    encode_time,
)

if TYPE_CHECKING:
    from . import transitions
    from .control import Controlled
    from .journal import Journal
else:

    def __getattr__(name: str) -> object:  # whoever needs values only need not bring SQLite along
        rooms = {"Controlled": "control", "Journal": "journal", "transitions": "transitions"}
        if name not in rooms:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        room = importlib.import_module(f".{rooms[name]}", __name__)
        value = globals()[name] = getattr(room, name, room)
        return value


__all__ = [
    "COLUMNS",
    "STATES",
    "Busy",
    "Cap",
    "Controlled",
    "Entry",
    "Intent",
    "Journal",
    "JournalControl",
    "JournalStore",
    "State",
    "check_account",
    "check_key",
    "decode_entry",
    "encode_request",
    "encode_task",
    "encode_text",
    "encode_time",
    "new_intent",
    "transitions",
]
