"""One journal for many hosts, in PostgreSQL: the same order number may reach any of them, and is paid once.

When one needs it:

| where the keys arrive | journal |
|---|---|
| one process | `Journal("orders.journal")`, a file |
| several processes of one machine | the same file: never on a network drive |
| several hosts behind a balancer | `PostgresJournal("postgresql://...")` |
| a fleet of workers, or of containers whose disk is thrown away | the same, with `Limits` for all of them together |

A journal a host is no substitute: each pays for the keys that it has not seen.

To try it, in three commands:

```console
docker run --detach --publish 127.0.0.1:5432:5432 --env POSTGRES_PASSWORD=secret postgres:17
pip install 'ideal-async[cli,postgres,sandbox]'
PGPASSWORD=secret ideal-async journal list postgresql://postgres@127.0.0.1/postgres
```

Then `ideal-async batch rooms.csv --journal postgresql://...` on as many hosts as you like, or the class itself; its
tables are in the schema `ideal_async`, made by whoever comes first:

    >>> from ideal_async.postgres import Limits, PostgresJournal
    >>> with PostgresJournal("postgresql://me@db.example/videos", limits=Limits(posts=4, credits=10_000)) as journal:
    ...     client = AsyncClient("key", journal=journal)  # then: await client.generate(..., key="order-42")

What each failure does:

| what happens | what becomes of it |
|---|---|
| a worker is killed before it sends | its key is `unknown`, for nobody knows that it was not paid: a person frees it |
| a worker is killed while it sends | its key is `unknown`: a person looks into the account, and adopts or frees it |
| a worker is killed once the id is written | nothing is lost: another host follows the task |
| a worker freezes, and its key is released meanwhile | it asks before it sends, and does not |
| the database crashes or restarts | submits wait, for up to ten minutes; paid ids are written once it is back |
| a living worker's session is ended | a new one is made; what was doubted is not sent, and a late answer finds it |
| a worker dies while the database is away | the ids that it owed are lost with it; their keys are `unknown` |
| the disk is full | nothing is sent, for nothing can be written; what was paid is written when there is room |
| a pooler in transaction mode | refused: use session mode, or connect to the database itself |
| `fsync = off` | refused; `synchronous_commit` is set to `on`, and a stricter setting stays |
| a failover to a synchronous replica | as a restart; name both hosts in the DSN, and the one that writes is taken |

**What remains.** A failover to an asynchronous replica, and a restored backup, have forgotten the last payments, and no
client can tell: their keys would be paid again. Use a synchronous replica (`synchronous_standby_names`). After a
restore `pause()` first, and look into the account for the tasks since the backup before `unpause()`.

**Limits** hold for each account over all hosts, and are decided under one row of the database by its clock: requests on
their way, tasks in flight, requests a second, credits. Give all hosts the same. What is on its way when a disaster
comes is what can be in doubt afterwards: at most `posts` for each. A limit that is reached is waited for; that of
credits raises `BudgetExceeded`. A task that nobody saw end for a day holds no place in flight; `stale()` lists those.

**Pause**: after `pause()` no host sends anything until `unpause()`; tasks go on, and what is known is told.

**The password** is in no message, repr or log. Others may read a command line:
let PGPASSWORD or ~/.pgpass have it.
"""

try:
    import psycopg  # noqa: F401 # pyright: ignore[reportUnusedImport]  # to say which extra brings it
except ImportError as error:
    raise ImportError("a journal in PostgreSQL needs the extra: pip install 'ideal-async[postgres]'") from error

from ._journal import Limits, PostgresJournal
from ._manifests import Manifest

__all__ = ["Limits", "Manifest", "PostgresJournal"]
