"""The workflow: a batch, of which only ranges are ever said. It decides nothing about money.

It is replayed from its history by workers of any version, so what is here may only be added to behind
`workflow.patched(...)`; `tests/test_temporal.py` replays a history of the first version.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

BATCH, CHUNK = "ideal_async.batch", "ideal_async.chunk"
#: Of the orders; what a later version adds is left out.
VERSION = 1

#: A worker that dies, or says "again", has its chunk given to another one; there is no limit but these.
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))
#: For one run of a chunk; the body ends by itself in six hours.
_RUN = timedelta(hours=8)
#: For a chunk at which workers die again and again.
_CHUNK = timedelta(days=7)


def is_long() -> bool:
    """Tell whether the server would have this history end: it holds some thousand events."""
    return workflow.info().is_continue_as_new_suggested()


@workflow.defn(name=BATCH)
class BatchWorkflow:
    """One batch: a bounded number of chunks at a time, each an activity."""

    def __init__(self) -> None:
        self._parts: list[list[int]] = []
        self._running = 0
        self._full = False  # the history of this run: it goes on in a new one

    @workflow.run
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Have every chunk done.

        Args:
            order: `batch`, `chunk` (jobs in each), `parts` (first and last of each), `at_once` and `heartbeat` seconds.

        Returns:
            Nothing that the journal does not know better.
        """
        self._parts = [*order["parts"], *self._parts]  # a signal may have come first
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                await workflow.wait_condition(lambda: not self._running or self._may_begin(order["at_once"]))
                if not self._may_begin(order["at_once"]):
                    break
                task = asyncio.create_task(self._do(order, *self._take(order["chunk"])))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except asyncio.CancelledError:
            # Closed only when every worker has let go: otherwise it would say so while they go on paying.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        if self._parts:
            workflow.continue_as_new({**order, "parts": self._parts})
        return {"v": VERSION}

    @workflow.signal
    def again(self, parts: list[list[int]]) -> None:
        """Do parts of the batch once more."""
        self._parts.extend(parts)

    def _may_begin(self, at_once: int) -> bool:
        self._full = self._full or is_long()
        return bool(self._parts) and not self._full and self._running < at_once

    def _take(self, size: int) -> tuple[int, int]:
        first, last = self._parts[0]
        end = min(first + size, last)
        if end == last:
            del self._parts[0]
        else:
            self._parts[0] = [end, last]
        self._running += 1
        return first, end

    async def _do(self, order: dict[str, Any], first: int, last: int) -> None:
        try:
            report: dict[str, Any] = await workflow.execute_activity(
                CHUNK,
                {"v": VERSION, "batch": order["batch"], "first": first, "last": last},
                result_type=dict,
                retry_policy=_RETRY,
                heartbeat_timeout=timedelta(seconds=order["heartbeat"]),
                start_to_close_timeout=_RUN,
                schedule_to_close_timeout=_CHUNK,
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            workflow.logger.error("batch %s: jobs %d to %d were given up", order["batch"], first, last - 1)
        else:
            if report.get("stops"):
                self._parts.clear()  # nothing further can succeed
        finally:
            self._running -= 1
