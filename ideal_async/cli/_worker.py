"""`ideal-async worker`: a host of a fleet, until it is told to end."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ._connection import Connection
from ._engines import engine_of
from ._places import HostLimits, Shared, open_journal
from ._run import run_unless_interrupted
from ._terminal import DONE, INTERRUPTED, Refused, say

if TYPE_CHECKING:
    from ideal_async.buckets import Bucket


def work(
    url: str,
    journal: Path | Shared,
    connection: Connection,
    *,
    limits: HostLimits | None,
    out: "Path | Bucket | None",
    uploads: "Bucket | None",
    chunks_at_once: int,
) -> int:
    """Work for batches until SIGTERM or Ctrl-C; return the exit code."""
    engine, address = engine_of(url)
    if isinstance(journal, Path):
        raise Refused("workers need the journal that all hosts share: --journal postgresql://...")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with open_journal(journal, limits) as shared:
        client = connection.client(journal=shared, uploads=uploads)

        async def run() -> None:
            async with client:
                await engine.work(client, address, out, chunks_at_once)

        where = address.netloc.rpartition("@")[2]  # before it may be a password
        say(f"working for {address.scheme}://{where}; Ctrl-C ends it, and leaves the rest to others")
        return DONE if run_unless_interrupted(run) else INTERRUPTED
