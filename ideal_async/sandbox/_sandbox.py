"""The public face: one object that is the whole service."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs

from ._app import SandboxApp
from ._faults import Fault
from ._gallery import Gallery
from ._log import Exchange, Log
from ._script import read_faults
from ._service import Service
from ._shelf import Shelf
from ._studio import Studio
from ._transport import SandboxTransport
from ._world import Entry, Status, World


@attrs.frozen
class Receipt:
    """One task that was paid for: *input* as the vendor echoes it, *credits* charged, *status* when it was asked.

    *created_at* and *ended_at* are seconds since the sandbox's first request; the latter is None while it runs.
    """

    id: int
    input: dict[str, Any]
    credits: int
    status: Status
    created_at: float = 0.0
    ended_at: float | None = None


class Sandbox:
    """The Image to Video service, whole and offline: tasks, queue, credits, and real MP4s made from the real images.

    Use `transport` with any httpx client, in process; or `app` with an ASGI server; or `serve` for a port of its own.
    Time comes from the event loop, so with ``render=False`` it is exact in virtual time, on asyncio and trio.

    Args:
        api_key: the key its first account answers to; its holder may also see the state and script faults.
        credits: what that account may spend.
        workers: how many tasks are processed at once; the others queue.
        speed: divides every processing time; 10 means ten times faster.
        seed: the same seed gives the same durations, percentages, ids and dice.
        faults: what goes wrong: lines such as ``"submit 2: drop after"``, the profile ``"hostile"`` for a bit of
            everything, or `Fault` values. `help(ideal_async.sandbox)` has the language.
        render: make clips (needs the extra ``sandbox``). Otherwise no image is fetched, no thread started, and results
            are stand-ins of 16 KiB.
        images: a folder of photographs, served under ``/images/<name>`` and for ``https://example.com/<name>``.
        accounts: further API keys and their credits.
        url_lifetime: seconds for which a result URL works; None for ever. Every look gives new ones.
        http_errors: answer errors with an HTTP status of their own instead of 200. The vendor's page names none.
        allow_private: whether images may be fetched from private, loopback and link-local addresses. None allows it
            where nobody but this machine can ask: through `transport`, and `serve` on a loopback address.
        hosts: names under which `app` and `serve` may be called, besides loopback and other numeric addresses,
            ``testserver``, the vendor's, the examples', and those under ``.localhost``, ``.test`` and ``.example``;
            ``"*"`` for any. A page in a browser could point any other name at this machine (DNS rebinding).
        on_request: is called with each `Exchange` as soon as its answer is known; ``print`` shows one a line.

    It can be used as a context manager, or closed; a forgotten one cleans up when it is collected.

    >>> import anyio, httpx
    >>> async def main():
    ...     sandbox = Sandbox(render=False)
    ...     room = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p"}
    ...     async with httpx.AsyncClient(transport=sandbox.transport, headers={"APIKEY": sandbox.api_key}) as client:
    ...         answer = await client.post("https://api.ideal.house/api/v1/imageToVideo/generate", json=room)
    ...     return answer.json()["data"], sandbox.credits
    >>> anyio.run(main)
    (1234567890123456789, 9980)

    """

    def __init__(
        self,
        *,
        api_key: str = "sandbox",
        credits: int = 10_000,
        workers: int = 10,
        speed: float = 1.0,
        seed: int = 0,
        faults: str | Fault | Iterable[str | Fault] = (),
        render: bool = True,
        images: str | Path | None = None,
        accounts: Mapping[str, int] | None = None,
        url_lifetime: float | None = None,
        http_errors: bool = False,
        allow_private: bool | None = None,
        hosts: Iterable[str] = (),
        on_request: Callable[[Exchange], object] | None = None,
    ) -> None:
        first = {api_key: credits}
        purses = first | dict(accounts or {}) | first
        for key in purses:
            if not key or not key.isascii() or not key.isprintable() or key != key.strip():
                raise ValueError("an API key travels in a header: give it printable ASCII characters, no outer spaces")
        self._api_key = api_key
        self._studio = Studio() if render else None
        world = World(workers=workers, speed=speed, seed=seed, pictures=render)
        self._service = Service(world, purses, self._studio)
        self._service.disturb(read_faults(faults))
        gallery = Gallery(None if images is None else Path(images), draw=render)
        self._shelf = Shelf(self._service, gallery, url_lifetime=url_lifetime, allow_private=allow_private)
        self._log = Log(on_request)
        known = frozenset(name.lower() for name in hosts)
        #: The ASGI application; needs no lifespan.
        self.app = SandboxApp(
            self._service, self._shelf, self._log, holder=api_key, hosts=known, http_errors=http_errors
        )
        #: An httpx transport that answers in process, whatever the host: the API, images and result URLs alike.
        self.transport = SandboxTransport(self.app.respond)

    def __repr__(self) -> str:
        """Without the keys."""
        return f"<Sandbox credits={self.credits} tasks={len(self._service.world.tasks)}>"

    @property
    def api_key(self) -> str:
        """The key to send as ``APIKEY``."""
        return self._api_key

    @property
    def credits(self) -> int:
        """What the first account has left, refunds included."""
        self._service.settle_if_running()
        return self._service.accounts[self._api_key].credits

    @property
    def created(self) -> list[Receipt]:
        """What was paid, by whatever account, in order."""
        self._service.settle_if_running()
        return [
            Receipt(task.id, task.order.echo(), task.credits, task.status, task.created_at, task.ended_at)
            for task in list(self._service.world.tasks.values())  # a server in another thread adds to it meanwhile
        ]

    @property
    def ledger(self) -> list[Entry]:
        """Every movement of credits: grants, charges, refunds. An account's lines add up to its balance."""
        self._service.settle_if_running()
        return list(self._service.world.ledger)

    @property
    def requests(self) -> list[Exchange]:
        """The newest requests, at most 1000, with what was said: submits, looks, downloads, and calls nobody knows."""
        return self._log.after()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The script in force. Setting it takes what the argument takes, and counts calls and tasks from there."""
        return self._service.script.faults

    @faults.setter
    def faults(self, script: str | Fault | Iterable[str | Fault]) -> None:
        self._service.disturb(read_faults(script))

    @property
    def images(self) -> list[str]:
        """The names of the photographs in the folder."""
        return self._shelf.names()

    @property
    def allow_private(self) -> bool | None:
        """Whether images may come from private addresses; None: where only this machine can ask."""
        return self._shelf.allow_private

    @allow_private.setter
    def allow_private(self, allowed: bool | None) -> None:
        self._shelf.allow_private = allowed

    def grant(self, credits: int, *, api_key: str | None = None) -> None:
        """Top up the first account, or that of *api_key*.

        Raises:
            KeyError: there is no account with that key.

        """
        self._service.grant(self._api_key if api_key is None else api_key, credits)

    def close(self) -> None:
        """Drop what is not rendered yet, wait for what is being rendered, remove every clip. Blocking."""
        if self._studio is not None:
            self._studio.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
