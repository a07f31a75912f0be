r"""A fleet of workers over Celery, killed and started at will: it repeats chunks, the journal decides about money.

**On a laptop, from nothing to three workers**, in four commands:

```console
pip install 'ideal-async[celery,cli,sandbox]'
docker run --detach --publish 127.0.0.1:5432:5432 --env POSTGRES_PASSWORD=secret postgres:17
export PGPASSWORD=secret IDEAL_HOUSE_BASE_URL=http://127.0.0.1:8000 IDEAL_HOUSE_API_KEY=sandbox \
    JOURNAL=postgresql://postgres@127.0.0.1/postgres
redis-server --appendonly yes & ideal-async sandbox &
for worker in 1 2 3; do ideal-async worker redis://127.0.0.1:6379 --journal $JOURNAL & done
ideal-async batch 'https://example.com/room-[001-030].jpg' --duration 5 --resolution 480p --yes --gallery \
    --journal $JOURNAL --engine redis://127.0.0.1:6379
```

Kill workers meanwhile, and start others: each video is paid once. The workers need no `--out` here, because the command
brings what is made; in a fleet of its own they save into a folder or a bucket that all of them see. Without
`--appendonly yes` Redis forgets its messages when it crashes; the journal forgets nothing, `start` sends them again.

**In an app of one's own**, a module `tasks` with

    >>> def make_app(broker, dsn):
    ...     app = celery.Celery("tasks", broker=broker)
    ...     app.conf.worker_prefetch_multiplier = 1
    ...     install(app, lambda: AsyncClient(journal=PostgresJournal(dsn)), save="/mnt/videos")
    ...     return app

whose workers are `celery -A tasks worker -Q ideal-async`. Each of their processes has one event loop and one client,
made after the fork, and does one chunk at a time; `--pool threads --concurrency 8` does eight with one client, as does
`run_worker`, which needs no app:

    >>> async def work(address, dsn):
    ...     with PostgresJournal(dsn, limits=Limits(in_flight=500, credits=200_000)) as journal:
    ...         async with AsyncClient(journal=journal) as client:
    ...             await run_worker(client, address, save=bucket / "videos")  # until SIGTERM

And where batches are ordered, which may be a web application

    >>> async def order(app, journal, requests):  # app: yours, or "redis://host:6379"
    ...     run = await Batches(app, journal).start("spring", requests, chunk=100)  # again: the same batch
    ...     print(await run.progress())
    ...     return await run.result()  # run.pause(), .unpause(), .cancel(), .entries("failed"), .resume()

`await Batches(app, journal).get("spring")` finds it again in any process. No result backend is needed.

**What a batch is.** Its requests are kept in the database and never change. Pictures are URLs without a query, or names
in a bucket, `ImageToVideo(bucket / "room.jpg", ...)`: the worker's client, `AsyncClient(uploads=bucket)`, signs them
just before it sends. One message a chunk, acknowledged when the chunk is done, and nothing but a range in it; what
became of it is in the database. Batches are done one behind the other; what is urgent takes a `queue` of its own.

**Twice is once.** Redis gives a message to another worker when it was not acknowledged for its visibility timeout. Who
gets it finds that the chunk is held, and looks again in five seconds; the hold ends with the worker's session in the
database, so the next look after its death goes on. `run_worker` has a timeout of a minute; an app of one's own has what
`broker_transport_options` say, by default an hour, and with `"unacked_restore_interval": 10,
"unacked_restore_throttle": 1` beside it a shorter one is heeded.

**Failures**

| what happens | what becomes of it: what one sees | what one does |
|---|---|---|
| a worker is killed before or during the POST | whether it was paid nobody knows: `unknown`, few a death | see below |
| ... after the POST, or while it waits | another looks for the same task after the visibility timeout | nothing |
| ... while it saves | another one saves it; half a file is none | nothing |
| a process of a pool is killed | the same, and another process has its chunk at once | nothing |
| a worker is told to end (SIGTERM) | what is on its way is waited for, others go on at once | nothing |
| a worker freezes, and wakes up | it asks before it sends, and finds what others have done | nothing |
| Redis is down for two minutes | chunks in work go on, others wait: lines in the log | nothing |
| Redis loses messages | `result()` notices after a minute, and sends them again | waits for it, or `start(...)` |
| a chunk outlasts the visibility timeout | a second worker looks at it now and then, and pays nothing | nothing |
| the database crashes | nothing is sent until it is back, chunks are repeated: a line in the log | starts it |
| two versions of workers | a chunk that is too new waits for a newer worker | upgrades the others |
| the key is rotated | the batch ends: `not_tried`, and the `reason` | new key, `run.resume()` |
| credits, or a limit of them, end | the same | tops up, `run.resume()` |
| the service is away for an hour | chunks are repeated for four hours: `waiting`, and the `reason` | nothing |
| a gateway answers POSTs with 5xx | three in a row on each worker are `unknown`, the rest is `not_tried` | see below |
| a worker for another host or account | nothing is sent: `not_tried`, the `reason` | mends it, `run.resume()` |
| a worker with another database | it leaves the batch to others, and says so in the log | mends it |
| videos fail, and are refunded | they stay `failed` | `run.retry_failed()` |
| `run.cancel()` | when it returns, not one task more is created | `run.resume()` undoes it |

What is in doubt, `run.entries("unknown")`, is for a person, who looks into the account: `ideal-async journal adopt` or
`release`, then `run.resume()`.

A report is always complete: made, unsaved, failed, refused, unknown, unfinished and not tried are all of its jobs.

**Figures** (`python -m benchmarks.fleet DSN 300 celery`, two shared cores with a load of 14, where CPU is dear). In
chunks of 10 a job took 0.3 ms of CPU of Redis, where Temporal took 4 under the same load; what workers and PostgreSQL
took was the same with both, 117 and 43 ms against 123 and 42. Chunks with nothing in them, each written down, went
through one worker at 106 a second, for 0.2 ms of Redis each. A start of 100,000 jobs took 24 s. What bounds first is
what the vendor lets be in flight, then the bandwidth of the downloads: `ideal_async.temporal` has the table.

All of this was tried with Redis, and the pools `prefork`, `threads` and `solo`. RabbitMQ (`amqp://`) gives messages
back when a connection ends, and by itself closes one on which a message is older than half an hour
(`consumer_timeout`): with it let chunks be short.
"""

try:
    import celery  # noqa: F401 # pyright: ignore[reportUnusedImport, reportMissingTypeStubs]  # to say which extra brings it
except ImportError as error:
    raise ImportError("a fleet over Celery needs the extra: pip install 'ideal-async[celery]'") from error

from ._engine import Batches
from ._worker import install, run_worker

__all__ = ["Batches", "install", "run_worker"]
