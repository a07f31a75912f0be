"""A recipe as a process of its own, whose insides can be asked for: `uvicorn --factory web_worker:create_app`."""

import asyncio
import os
import threading
import time
from statistics import quantiles
from typing import Any

from fastapi import FastAPI, Request
from recipes import fastapi_app

from ideal_async import Pacing

#: Seconds between two samples of the event loop's lag.
SAMPLE = 0.01


class Lag:
    """How late the event loop wakes a task that slept."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._task: asyncio.Task[None] | None = None

    def take(self) -> float | None:
        """The 99th percentile in seconds since the last time, if anything was measured."""
        if self._task is None:
            self._task = asyncio.create_task(self._sample())
        samples, self._samples = self._samples, []
        return quantiles(samples, n=100)[98] if len(samples) > 1 else None

    async def _sample(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(SAMPLE)
            self._samples.append(time.perf_counter() - began - SAMPLE)


def create_app() -> FastAPI:
    """The FastAPI recipe, with what a test wants to know."""
    pace = float(os.environ.get("WEB_PACE", "0.05"))
    pacing = Pacing(min_interval=pace, max_interval=12 * pace)
    app, lag = fastapi_app.create_app(os.environ["WEB_JOURNAL"], pacing=pacing), Lag()

    @app.get("/sleep")
    async def sleep(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "slept"

    @app.get("/internals")
    async def internals(request: Request) -> dict[str, Any]:
        client = request.app.state.client
        lanes: Any = client._session._transports.looks._transport
        return {
            "pid": os.getpid(),
            "waiting": len(client._poller),
            "looks in flight": client._poller._in_flight,
            "API slots": client._session._slots.borrowed_tokens,
            "POST slots": client._session.post_slots.borrowed_tokens,
            "connections": len(lanes),
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "lag": lag.take(),
        }

    return app
