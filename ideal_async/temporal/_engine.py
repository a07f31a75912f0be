"""`Batches`: batches that Temporal's workers do."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from ideal_async.fleet import BatchesOf, Engine, Ranges
from ideal_async.postgres import PostgresJournal

from ._workflow import BATCH, VERSION

logger = logging.getLogger("ideal_async")

TASK_QUEUE = "ideal-async"
#: Parts that go through the engine in one message, which holds two megabytes; more are one part from first to last.
_PARTS = 5_000
#: Seconds that a worker has to say what comes next in a workflow, which takes it a few milliseconds.
_DECIDING = 5.0
#: Seconds before an engine that is away is asked again.
_ASK_AGAIN = 1.0


def check_loop() -> None:
    """Make sure that asyncio runs.

    Raises:
        RuntimeError: It does not.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "ideal_async.temporal runs on asyncio, because temporalio does: call it from asyncio, not from trio"
        ) from None


class Temporal(Engine):
    """One workflow a batch, one activity a chunk.

    Args:
        client: Of Temporal.
        task_queue: From which workers take chunks.
        at_once: Chunks of one batch that are done at once, over all workers.
        heartbeat: Seconds without a sign of life after which a worker counts as dead.
    """

    def __init__(self, client: Client, task_queue: str, *, at_once: int, heartbeat: float) -> None:
        self._client = client
        self._queue = task_queue
        # A workflow whose worker has died is given to another one after this.
        self._patience = timedelta(seconds=min(_DECIDING, heartbeat))
        self._options: dict[str, Any] = {"v": VERSION, "at_once": at_once, "heartbeat": heartbeat}

    def _order(self, chunks: Ranges, parts: list[list[int]]) -> dict[str, Any]:
        return {**self._options, "batch": chunks.batch, "chunk": chunks.chunk, "parts": parts}

    async def begin(self, chunks: Ranges) -> None:
        """Start the workflow, unless there is or was one."""
        check_loop()
        with suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                BATCH,
                self._order(chunks, _parts_of(chunks)),
                id=_id(chunks.batch),
                task_queue=self._queue,
                task_timeout=self._patience,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )

    async def again(self, chunks: Ranges) -> None:
        """Tell the workflow, or start another."""
        check_loop()
        await self._client.start_workflow(
            BATCH,
            self._order(chunks, []),
            id=_id(chunks.batch),
            task_queue=self._queue,
            task_timeout=self._patience,
            start_signal="again",
            start_signal_args=[_parts_of(chunks)],
        )

    async def cancel(self, name: str) -> None:
        """Cancel the workflow, which waits for its workers."""
        handle = self._handle(name)
        try:
            await handle.cancel()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:  # or else it has ended
                raise
        await self.join(name)

    async def join(self, name: str) -> None:
        """Wait for the workflow, also while Temporal is away."""
        check_loop()
        while True:
            try:
                await self._handle(name).result()
            except WorkflowFailureError as error:
                logger.info("batch %s: its workflow has ended without being done: %s", name, error.cause)
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # or else it ended long ago, and is forgotten
                    logger.warning("Temporal cannot be reached: %s", error.message)
                    await asyncio.sleep(_ASK_AGAIN)
                    continue
            return

    async def works_on(self, name: str) -> bool:
        """Ask for the state of the workflow."""
        check_loop()
        try:
            state = (await self._handle(name).describe()).status
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return state is WorkflowExecutionStatus.RUNNING

    def _handle(self, name: str) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(_id(name))


def _id(name: str) -> str:
    return f"ideal-async {name}"


def _parts_of(chunks: Ranges) -> list[list[int]]:
    parts = [[first, last] for first, last in chunks.parts]
    return parts if len(parts) <= _PARTS else [[parts[0][0], parts[-1][1]]]


class Batches(BatchesOf[Temporal]):
    """Starts batches that Temporal's workers do, and finds them again.

    Args:
        client: Of Temporal, `await temporalio.client.Client.connect("temporal:7233")`.
        journal: That all workers share.
        task_queue: From which the workers take chunks.
        base_url: Of the API, as the workers' clients have it.
        account: As the workers' clients have it.
        at_once: Chunks of one batch that are done at once, over all workers.
        heartbeat: Seconds without a sign of life after which a worker counts as dead, and its chunk goes to another.

    Raises:
        TypeError: The journal is none that hosts could share.

    Example:
        >>> async def order(temporal, journal, requests):
        ...     run = await Batches(temporal, journal).start("spring", requests)
        ...     print(await run.progress())
        ...     return await run.result()
    """

    def __init__(
        self,
        client: Client,
        journal: PostgresJournal,
        task_queue: str = TASK_QUEUE,
        *,
        base_url: str | None = None,
        account: str | None = None,
        at_once: int = 16,
        heartbeat: float = 30.0,
    ) -> None:
        engine = Temporal(client, task_queue, at_once=at_once, heartbeat=heartbeat)
        super().__init__(engine, journal, base_url=base_url, account=account)
