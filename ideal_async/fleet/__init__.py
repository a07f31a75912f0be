"""What every fleet is made of, whatever engine moves the work: batches in the database, chunks that may be repeated.

`ideal_async.temporal` and `ideal_async.celery` are this with an engine; to use another one takes two things.

**On each worker**, something that the engine repeats until the report is final:

    >>> async def do_chunk(chunks, payload):  # chunks = Chunks(client, save="/mnt/videos"), once a process
    ...     report = await chunks.run(Chunk.read(payload))
    ...     return report.again  # seconds after which to repeat it, here or elsewhere; None: it is done

**Where batches are ordered**, an `Engine` with five verbs. This one needs no workers, for it does the chunks itself:

    >>> import anyio
    >>> class Here(Engine):
    ...     def __init__(self, chunks: Chunks) -> None:
    ...         self.chunks = chunks
    ...         self.parts: dict[str, list[Ranges]] = {}
    ...     async def begin(self, chunks: Ranges) -> None:
    ...         self.parts.setdefault(chunks.batch, [chunks])
    ...     async def again(self, chunks: Ranges) -> None:
    ...         self.parts.setdefault(chunks.batch, []).append(chunks)
    ...     async def cancel(self, name: str) -> None:
    ...         self.parts[name] = []
    ...     async def join(self, name: str) -> None:
    ...         while parts := self.parts.get(name):
    ...             for chunk in (part := parts[0]).cut():
    ...                 while (seconds := await do_chunk(self.chunks, chunk.write())) is not None:
    ...                     await anyio.sleep(seconds)
    ...             if part in parts:  # several may wait
    ...                 parts.remove(part)
    ...     async def works_on(self, name: str) -> bool:
    ...         return bool(self.parts.get(name))

It is given to `BatchesOf`, whose `Run`s tell and do everything else, and are the same in every process:

    >>> async def order(engine: Engine, journal: PostgresJournal, requests: list[ImageToVideo]) -> Report:
    ...     run: Run = await BatchesOf(engine, journal).start("spring", requests, chunk=100)  # again: the same batch
    ...     return await run.result()  # run.progress(), .pause(), .unpause(), .cancel(), .entries("failed"), .resume()

What holds for all engines:

- Only ranges go through the engine; what the jobs are is in the database, and never changes.
- A chunk may run twice, anywhere, at any time: the journal answers for each job what was sent.
- Whether anything of a batch may be sent is decided in the database, with each intent and before each send: after
  `cancel()` has returned not one task is created, not even by a host that froze and wakes up.
- When the account, the budget or the key ends, the rest is reported as not tried, with the reason, and is not repeated.
  What ends by itself, such as an outage, is repeated for four hours.
- The payloads have a version; what a later one adds is ignored, and what is beyond understanding waits for a newer
  worker.
"""

try:
    from ideal_async.postgres import PostgresJournal  # noqa: F401 # pyright: ignore[reportUnusedImport]
except ImportError as error:
    raise ImportError("a fleet needs the journal of many hosts: pip install 'ideal-async[postgres]'") from error

from ._body import AGAIN, Chunks
from ._items import CHUNK
from ._reports import Chunk, NewerVersion, Report
from ._run import BatchesOf, Engine, Ranges, Run

__all__ = ["AGAIN", "CHUNK", "BatchesOf", "Chunk", "Chunks", "Engine", "NewerVersion", "Ranges", "Report", "Run"]
