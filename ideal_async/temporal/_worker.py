"""Workers: the activity, the plugin for a worker of one's own, and the short form."""

import asyncio
import dataclasses
import logging
import signal
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from ideal_async import AsyncClient
from ideal_async.fleet import AGAIN, Chunk, Chunks, NewerVersion, Report

from ._engine import TASK_QUEUE, check_loop
from ._workflow import CHUNK, BatchWorkflow

logger = logging.getLogger("ideal_async")

#: Seconds between two tries to reach a server that is not there yet, and between two words about that.
_KNOCK, _TELL = 1.0, 30.0
#: For which a workflow waits for the worker that had it last, and may be dead; another one has to read its history.
_STICKY = timedelta(seconds=2)
#: Seconds after which another worker takes the chunk of one that ends.
_AT_ONCE = 0.1


class ChunkActivity:
    """Runs chunks for Temporal."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks

    @activity.defn(name=CHUNK)
    async def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Do a chunk, or what is left of it; what has to be repeated is a failure to Temporal, which repeats it."""
        try:
            report = await self._chunks.run(Chunk.read(payload), beat=_beat)
        except NewerVersion as error:
            raise _repeat(str(error), AGAIN) from None
        except asyncio.CancelledError:
            if activity.is_worker_shutdown():
                raise _repeat("this worker ends: another one goes on", _AT_ONCE) from None
            raise
        if report.again is not None:
            raise _repeat(report.reason or "the batch is paused", report.again)
        return report.write()


def _beat(report: Report) -> None:
    activity.heartbeat(report.write())


def _repeat(why: str, seconds: float) -> ApplicationError:
    return ApplicationError(
        why,
        type="Again",
        next_retry_delay=timedelta(seconds=seconds),
        category=ApplicationErrorCategory.BENIGN,
    )


def plugin(client: AsyncClient, *, save: Any = None) -> SimplePlugin:
    """Make a `temporalio.worker.Worker` of one's own work for batches: `Worker(..., plugins=[plugin(client)])`.

    Args:
        client: Does the work, with a `PostgresJournal` that all hosts share.
        save: A folder, or a bucket or a folder in it, that all hosts see; `None`: videos are not saved.

    Raises:
        TypeError: The client's journal is none that hosts could share.

    Example:
        >>> def worker_of(temporal, client):
        ...     return Worker(temporal, task_queue="ideal-async", plugins=[plugin(client, save="/mnt/videos")])
    """
    return plugin_of(Chunks(client, save=save))


def plugin_of(chunks: Chunks) -> SimplePlugin:
    """Make a plugin of what runs chunks."""
    return SimplePlugin(
        "ideal_async",
        workflows=[BatchWorkflow],
        activities=[ChunkActivity(chunks).run],
        workflow_runner=_let_through,
    )


def _let_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    """Spare the workflow's sandbox from importing all of this package again: it uses nothing of it."""
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner or SandboxedWorkflowRunner()
    return dataclasses.replace(runner, restrictions=runner.restrictions.with_passthrough_modules("ideal_async"))


async def run_worker(
    client: AsyncClient,
    address_or_client: str | Client,
    *,
    save: Any = None,
    task_queue: str = TASK_QUEUE,
    namespace: str = "default",
    chunks_at_once: int = 8,
) -> None:
    """Work for batches until SIGTERM or Ctrl-C: then requests on their way are waited for, and the rest is left.

    It waits for a Temporal that is not there yet, and through its restarts.

    Args:
        client: Does the work, with a `PostgresJournal` that all hosts share; close it afterwards.
        address_or_client: Of Temporal: host and port, or a client of your own (TLS, keys).
        save: A folder, or a bucket or a folder in it, that all hosts see; `None`: videos are not saved.
        task_queue: As `Batches` has it.
        namespace: Of Temporal, where an address is given.
        chunks_at_once: Chunks that this process does at the same time.

    Raises:
        TypeError: The client's journal is none that hosts could share.
        RuntimeError: It is called from trio.

    Example:
        >>> async def work(journal):
        ...     async with AsyncClient(journal=journal) as client:
        ...         await run_worker(client, "temporal:7233", save="/mnt/videos")
    """
    check_loop()
    chunks = Chunks(client, save=save)
    asked = asyncio.Event()
    with _signals(asked):
        temporal = await _connect(address_or_client, namespace, asked)
        if temporal is None:
            return
        worker = Worker(
            temporal,
            task_queue=task_queue,
            plugins=[plugin_of(chunks)],
            max_concurrent_activities=chunks_at_once,
            sticky_queue_schedule_to_start_timeout=_STICKY,
        )
        logger.info("a worker of %s begins", task_queue)
        running = asyncio.create_task(worker.run())
        running.add_done_callback(lambda _: asked.set())  # it broke down
        try:
            await asked.wait()
        finally:
            await worker.shutdown()
        await running
        logger.info("a worker of %s has let go", task_queue)


async def _connect(address: str | Client, namespace: str, asked: asyncio.Event) -> Client | None:
    """Wait for the server, and say so; `None`: somebody asked to end before it came."""
    warned_at = -_TELL
    while not asked.is_set():
        try:
            client = await Client.connect(address, namespace=namespace) if isinstance(address, str) else address
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        except (RuntimeError, RPCError) as error:
            now = asyncio.get_running_loop().time()
            if now - warned_at >= _TELL:
                logger.warning("waiting for Temporal at %s: %s", address, error)
                warned_at = now
            await asyncio.sleep(_KNOCK)
        else:
            return client
    return None


@contextmanager
def _signals(asked: asyncio.Event) -> Generator[None]:
    """Hear SIGTERM and Ctrl-C once; the second time they do what they always do."""
    loop = asyncio.get_running_loop()
    heard = [signal.SIGTERM, signal.SIGINT]

    def ask() -> None:
        asked.set()
        for number in heard:
            loop.remove_signal_handler(number)

    try:
        for number in heard:
            loop.add_signal_handler(number, ask)
    except (RuntimeError, ValueError, NotImplementedError):
        heard = []  # not the main thread, or Windows: whoever runs it cancels it
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
