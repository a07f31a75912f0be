"""The whole service on a laptop: the documented API, real videos, no network.

    with Sandbox(speed=10) as sandbox, serve(sandbox) as base_url:
        ...

An independent witness: nothing here knows the client, so that a mistake in one is seen by the other.
"""

from ._faults import (
    Cut,
    Delay,
    Drop,
    Expire,
    Fail,
    Fault,
    Percentage,
    Prohibit,
    Respond,
    Show,
    Takes,
    Truncate,
    When,
)
from ._sandbox import Receipt, Sandbox
from ._script import read_faults
from ._server import serve, serve_forever
from ._world import Entry

__all__ = [
    "Cut",
    "Delay",
    "Drop",
    "Entry",
    "Expire",
    "Fail",
    "Fault",
    "Percentage",
    "Prohibit",
    "Receipt",
    "Respond",
    "Sandbox",
    "Show",
    "Takes",
    "Truncate",
    "When",
    "read_faults",
    "serve",
    "serve_forever",
]
