"""The whole service on a laptop: the documented API, real videos, no network.

    with Sandbox(speed=10) as sandbox, serve(sandbox) as base_url:
        ...

An independent witness: nothing here knows the client, so that a mistake in one is seen by the other.
"""

from ._effects import (
    Bomb,
    Cut,
    Delay,
    Drip,
    Drop,
    Endless,
    Envelope,
    Expire,
    Garble,
    Hide,
    Id,
    Pack,
    Respond,
    Say,
    Show,
    Truncate,
)
from ._faults import Fault, When
from ._hostile import PROFILES
from ._log import Exchange
from ._sandbox import Receipt, Sandbox
from ._script import LANGUAGE, read_faults
from ._server import serve, serve_forever
from ._task_effects import Fail, LateFile, LateUrl, Percentage, Prohibit, Sign, Takes
from ._world import Entry

__all__ = [
    "PROFILES",
    "Bomb",
    "Cut",
    "Delay",
    "Drip",
    "Drop",
    "Endless",
    "Entry",
    "Envelope",
    "Exchange",
    "Expire",
    "Fail",
    "Fault",
    "Garble",
    "Hide",
    "Id",
    "LateFile",
    "LateUrl",
    "Pack",
    "Percentage",
    "Prohibit",
    "Receipt",
    "Respond",
    "Sandbox",
    "Say",
    "Show",
    "Sign",
    "Takes",
    "Truncate",
    "When",
    "read_faults",
    "serve",
    "serve_forever",
]

# One text for whoever asks: here, in the command line's help and in the OpenAPI document.
__doc__ = f"{__doc__}\n{LANGUAGE}"
