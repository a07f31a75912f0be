"""The journal's door: what a client needs of any store, and `Journal`, which is one in a file.

What a second store shares with `Journal` is offered here as well: the steps, a person's verbs, and how values are
written.
"""

import importlib
from typing import TYPE_CHECKING

from .contract import Busy, Cap, Intent, JournalControl, JournalStore, new_intent
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

#: What brings SQLite along, and the room it comes from at its first use.
_LATER = {
    "Controlled": "control",
    "Journal": "journal",
    "Row": "queries",
    "intend": "transitions",
    "unfollow": "transitions",
    "sum_spending": "queries",
}

if TYPE_CHECKING:
    from .control import Controlled
    from .journal import Journal
    from .queries import Row, sum_spending
    from .transitions import intend, unfollow
else:

    def __getattr__(name: str) -> object:  # whoever needs values only need not bring SQLite along
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
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
    "Row",
    "State",
    "decode_entry",
    "encode_request",
    "encode_task",
    "encode_text",
    "encode_time",
    "intend",
    "new_intent",
    "sum_spending",
    "unfollow",
]
