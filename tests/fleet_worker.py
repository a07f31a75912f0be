"""What runs in the processes that are killed: a worker of a fleet."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from celery import Celery
from temporalio.client import Client
from temporalio.worker import Worker

from ideal_async import AsyncClient, Journal, Pacing
from ideal_async.celery import install
from ideal_async.celery._engine import app_of
from ideal_async.celery._worker import work_for
from ideal_async.fleet import Chunks
from ideal_async.postgres import Limits, PostgresJournal
from ideal_async.temporal import run_worker
from ideal_async.temporal._worker import plugin_of

#: Seconds after which Redis gives a message to another worker as well.
VISIBILITY = 2.0
LIMITS = Limits(posts=8, in_flight=20)


@contextlib.contextmanager
def journal_of(dsn: str, alone: Path | None) -> Iterator[tuple[PostgresJournal, Any]]:
    """Open the fleet's journal, and that in which the client decides about money."""
    with PostgresJournal(dsn, limits=LIMITS) as shared, contextlib.ExitStack() as stack:
        yield shared, shared if alone is None else stack.enter_context(Journal(alone))


def client_of(url: str, journal: Any) -> AsyncClient:
    return AsyncClient(
        "sandbox",
        base_url=url,
        journal=journal,
        pacing=Pacing(min_interval=0.1, max_interval=0.3),
        max_requests_at_once=20,
    )


def work(url: str, dsn: str, address: str, out: Path, alone: Path | None = None) -> None:
    """Work until killed from outside; with a journal of its own where *alone* says where."""

    async def run() -> None:
        with journal_of(dsn, alone) as (shared, own):
            async with client_of(url, own) as client:
                if address.startswith("redis:"):
                    app = app_of(address, visibility=VISIBILITY)
                    await work_for(app, Chunks(client, save=out, journal=shared), chunks_at_once=4)
                    return
                if alone is None:
                    await run_worker(client, address, save=out, chunks_at_once=4)
                    return
                temporal = await Client.connect(address)
                plugin = plugin_of(Chunks(client, save=out, journal=shared))
                await Worker(temporal, task_queue="ideal-async", plugins=[plugin], max_concurrent_activities=4).run()

    asyncio.run(run())
    os._exit(0)  # temporalio's own threads may abort the interpreter's exit


def fork(url: str, dsn: str, address: str, out: Path) -> None:
    """Be a worker of Celery's own making, with two processes, until told to end; only what is rejected comes again."""

    @contextlib.asynccontextmanager
    async def open_client() -> AsyncGenerator[AsyncClient]:
        with journal_of(dsn, None) as (journal, _):
            async with client_of(url, journal) as client:
                yield client

    app: Any = Celery("own", broker=address)
    app.conf.update(worker_prefetch_multiplier=1, broker_transport_options={"visibility_timeout": 3600})
    install(app, open_client, save=out)
    app.worker_main(["worker", "-c", "2", "-Q", "ideal-async", "-l", "ERROR", "--without-gossip", "--without-mingle"])
