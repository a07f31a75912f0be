"""The public face: one object that is the whole service."""

from typing import Self

from ._app import Door
from ._service import Service
from ._studio import Studio
from ._transport import SandboxTransport
from ._world import Entry, Task, World


class Sandbox:
    """The whole service, offline."""

    def __init__(
        self,
        *,
        api_key: str = "sandbox",
        credits: int = 10_000,  # noqa: A002 - the vendor's word
        workers: int = 10,
        speed: float = 1.0,
        seed: int = 0,
        render: bool = True,
        http_errors: bool = False,
    ) -> None:
        self.api_key = api_key
        world = World(workers=workers, speed=speed, seed=seed, pictures=render)
        self._service = Service(world, {api_key: credits}, Studio() if render else None)
        self.app = Door(self._service, http_errors=http_errors)
        self.transport = SandboxTransport(self.app)

    @property
    def credits(self) -> int:
        """Credits left."""
        return self._service.accounts[self.api_key].credits

    @property
    def created(self) -> list[Task]:
        """What was paid, in order."""
        return list(self._service.world.tasks.values())

    @property
    def ledger(self) -> list[Entry]:
        """Every movement of credits."""
        return list(self._service.world.ledger)

    def close(self) -> None:
        """Stop rendering and remove the clips."""
        if self._service.studio is not None:
            self._service.studio.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
