"""The whole service on a laptop: the documented API, real videos, no network.

    >>> import httpx
    >>> with Sandbox(speed=10, render=False, faults="submit 2: 503") as sandbox, serve(sandbox) as base_url:
    ...     httpx.get(f"{base_url}/api/v1/imageToVideo/result").json()["code"]
    5002

An independent witness: nothing here knows the client, so that a mistake in one is seen by the other. A test reads what
was paid (`sandbox.created`, each a `Receipt`), what is left (`sandbox.credits`, and `sandbox.ledger`, each line an
`Entry`), and what was asked and said (`sandbox.requests`, each an `Exchange`). `serve_forever` is what
`ideal-async sandbox` runs.

    >>> with Sandbox(credits=100) as sandbox:
    ...     paid: list[Receipt] = sandbox.created
    ...     asked: list[Exchange] = sandbox.requests
    ...     line: Entry = sandbox.ledger[0]
    ...     line.balance, paid, asked
    (100, [], [])
    >>> def main() -> None:
    ...     serve_forever(Sandbox(credits=100), port=8000, on_ready=print)  # until Ctrl-C
"""

from ._effects import (
    Body,
    Bomb,
    Cut,
    Delay,
    Drip,
    Drop,
    Endless,
    Envelope,
    Expire,
    Flaw,
    Garble,
    Hide,
    Id,
    IdForm,
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
from ._task_effects import Fail, LateFile, LateUrl, Percentage, Prohibit, Sign, Takes, UrlForm
from ._world import Entry

__all__ = [
    "PROFILES",
    "Body",
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
    "Flaw",
    "Garble",
    "Hide",
    "Id",
    "IdForm",
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
    "UrlForm",
    "When",
    "read_faults",
    "serve",
    "serve_forever",
]

_IN_PYTHON = """
Each line is a `Fault`, and what happens an object, for scripts that are computed:

    >>> lines = {
    ...     "submit: drop after": Drop(after=True),
    ...     "submit: id text": Id("text"),
    ...     "look: 503 html": Respond(503, body="html"),
    ...     "look: delay 2": Delay(2.0),
    ...     "look: truncate 50%": Truncate(0.5),
    ...     "look: drip 10": Drip(10),
    ...     "look: endless": Endless(),
    ...     "look: packed gzip": Pack(("gzip",)),
    ...     "look: bomb": Bomb(),
    ...     "look: envelope code=200": Envelope({"code": 200}),
    ...     "look: garbled bom": Garble("bom"),
    ...     "look: show status=Paused": Show({"status": "Paused"}),
    ...     "look: hide input": Hide(("input",)),
    ...     "look: say Success=DONE": Say({"Success": "DONE"}),
    ...     "download: cut 50%": Cut(0.5),
    ...     "download: expired": Expire(),
    ...     "task: fail": Fail(),
    ...     "task: prohibit": Prohibit(),
    ...     "task: takes 5": Takes(5.0),
    ...     "task: percentage 10 20": Percentage((10, 20)),
    ...     "task: url after 5": LateUrl(5.0),
    ...     "task: file after 5": LateFile(5.0),
    ...     "task: signed": Sign(),
    ... }
    >>> all(read_faults(line)[0].effect == effect for line, effect in lines.items())
    True
"""

# One text for whoever asks: here, in the command line's help and in the OpenAPI document.
__doc__ = f"{__doc__}\n{LANGUAGE}{_IN_PYTHON}"
