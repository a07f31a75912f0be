"""The journal's door: what a client needs of any store, and `Journal`, which is one in a file.

What a second store shares with `Journal` is offered here as well: how an intent is made, and how values are written.
"""

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
    from .journal import Journal
else:

    def __getattr__(name: str) -> object:  # another store need not bring SQLite along
        if name != "Journal":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .journal import Journal

        globals()[name] = Journal
        return Journal


__all__ = [
    "COLUMNS",
    "STATES",
    "Busy",
    "Cap",
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
]
