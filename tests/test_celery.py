"""A fleet over Celery, in one process with a real Redis: what is sent, repeated, left and waited for."""

from contextlib import closing
from pathlib import Path

import anyio
import pytest
from fakes import BASE_URL
from fleet_steps import Fleet, rooms

from ideal_async.celery import Batches, run_worker
from ideal_async.postgres import PostgresJournal

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.usefixtures("real_time")]


async def test_a_batch_is_made_and_saved(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    """Chunk by chunk, on either backend, by a worker that ends when it is told to."""
    service = Fleet()
    with closing(PostgresJournal(postgres_dsn)) as journal:
        async with service.client(journal) as client, anyio.create_task_group() as beside:
            beside.start_soon(lambda: run_worker(client, redis_url, save=tmp_path, chunks_at_once=2))
            run = await Batches(redis_url, journal, base_url=BASE_URL).start("spring", rooms(5), chunk=2)
            report = await run.result()
            beside.cancel_scope.cancel()
    assert (report.made, report.complete) == (5, True)
    assert max(service.created.values()) == 1
    assert len(list(tmp_path.glob("*.mp4"))) == 5  # noqa: ASYNC240 - a look at what is there
