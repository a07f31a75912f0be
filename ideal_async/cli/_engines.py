"""The engines that move the work of a fleet, by the scheme of their addresses."""

import importlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import anyio
import attrs

from ideal_async import AsyncClient

from ._terminal import Refused

if TYPE_CHECKING:
    from ideal_async.fleet import BatchesOf
    from ideal_async.postgres import PostgresJournal

#: Seconds that an engine is waited for which may be starting this moment.
STARTING = 10.0


@attrs.frozen
class Engine:
    """What the two commands need of one.

    Attributes:
        extra: That brings it: the name of its module as well.
        example: Of its address.
        open: Connects where batches are ordered: given the address, the journal, and the API's base URL.
        work: Works until it is told to end: given a client, the address, where to save, and chunks at once.
    """

    extra: str
    example: str
    open: "Callable[[SplitResult, PostgresJournal, str | None], Awaitable[BatchesOf[Any]]]"
    work: Callable[[AsyncClient, SplitResult, Any, int], Awaitable[None]]


async def _open_temporal(address: SplitResult, journal: "PostgresJournal", base_url: str | None) -> "BatchesOf[Any]":
    from temporalio.client import Client

    from ideal_async.temporal import Batches

    deadline = anyio.current_time() + STARTING
    while True:
        try:
            client = await Client.connect(address.netloc, namespace=address.path.strip("/") or "default")
        except RuntimeError:
            if anyio.current_time() < deadline:
                await anyio.sleep(1)
                continue
            raise Refused(f"nobody answers at {address.netloc}: start Temporal, temporal server start-dev") from None
        return Batches(client, journal, base_url=base_url)


async def _work_for_temporal(client: AsyncClient, address: SplitResult, save: Any, chunks_at_once: int) -> None:
    from ideal_async.temporal import run_worker

    namespace = address.path.strip("/") or "default"
    await run_worker(client, address.netloc, save=save, namespace=namespace, chunks_at_once=chunks_at_once)


async def _open_celery(address: SplitResult, journal: "PostgresJournal", base_url: str | None) -> "BatchesOf[Any]":
    from ideal_async.celery import Batches

    return Batches(address.geturl(), journal, base_url=base_url)


async def _work_for_celery(client: AsyncClient, address: SplitResult, save: Any, chunks_at_once: int) -> None:
    from ideal_async.celery import run_worker

    await run_worker(client, address.geturl(), save=save, chunks_at_once=chunks_at_once)


#: One line an engine; Celery's is the scheme of its broker.
ENGINES: dict[str, Engine] = {
    "temporal": Engine("temporal", "temporal://host:7233", _open_temporal, _work_for_temporal),
    **dict.fromkeys(
        ("redis", "rediss", "amqp", "amqps"), Engine("celery", "redis://host:6379", _open_celery, _work_for_celery)
    ),
}


def engine_of(url: str) -> tuple[Engine, SplitResult]:
    """Find the engine that an address belongs to.

    Raises:
        Refused: None, or its extra is missing.
    """
    address = urlsplit(url)
    engine = ENGINES.get(address.scheme)
    if engine is None or not address.netloc:
        examples = ", ".join(dict.fromkeys(engine.example for engine in ENGINES.values()))
        raise Refused(f"an engine's address looks like {examples}, not {url}")
    try:
        importlib.import_module(f"ideal_async.{engine.extra}")
    except ImportError as error:
        raise Refused(str(error)) from None
    return engine, address
