"""A recipe as a process of its own, whose insides can be asked for: `uvicorn --factory web_worker:create_app`."""

import asyncio
import os
import threading
from typing import Any

from fastapi import FastAPI, Request
from recipes import fastapi_app

from ideal_async import Pacing


def create_app() -> FastAPI:
    """The FastAPI recipe, with what a test wants to know."""
    app = fastapi_app.create_app(
        os.environ["WEB_JOURNAL"],
        pacing=Pacing(min_interval=float(os.environ.get("WEB_PACE", "0.05")), max_interval=0.5),
    )

    @app.get("/internals")
    async def internals(request: Request) -> dict[str, Any]:
        client = request.app.state.client
        pool: Any = client._session._looks._transport
        return {
            "pid": os.getpid(),
            "waiting": len(client._poller),
            "looks": client._poller.looks,
            "looks in flight": client._poller._in_flight,
            "API slots": client._session._slots.borrowed_tokens,
            "POST slots": client._session.post_slots.borrowed_tokens,
            "connections": len(pool._pool.connections),
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "spent": client.ledger.spent,
        }

    return app
