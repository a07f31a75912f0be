r"""One journal for many hosts, in PostgreSQL: the same order number may reach any of them, and is paid once.

When one needs it:

| where the keys arrive | journal |
|---|---|
| one process | `Journal("orders.journal")`, a file |
| several processes of one machine | the same file: never on a network drive |
| several hosts behind a balancer | `PostgresJournal("postgresql://...")` |
| a fleet of workers, or of containers whose disk is thrown away | the same, with `Limits` for all of them together |

A journal a host is no substitute: each pays for the keys that it has not seen.

To try it, in three commands, with any database (here one of this computer; PGHOST, PGUSER and the like lead to others)
and `pip install 'ideal-async[cli,postgres,sandbox]'`:

```console
createdb videos
ideal-async sandbox --speed 50 & sleep 3
for host in one two; do IDEAL_HOUSE_API_KEY=sandbox ideal-async batch "https://example.com/[1-3].jpg" --out $host \
  --duration 5 --resolution 480p --yes --base-url http://127.0.0.1:8000 --journal postgresql:///videos; done
```

The second host has all the videos, and pays nothing. In a program it is the same:

    import anyio
    from ideal_async import AsyncClient, ImageToVideo
    from ideal_async.postgres import Limits, PostgresJournal

    async def main():
        room = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
        async with PostgresJournal("postgresql:///videos", limits=Limits(posts=4)) as journal:
            async with AsyncClient(journal=journal) as client:
                task = await client.generate(room, key="order-42")  # on any host, and as often as you like
                print(task.output.result_url)

    anyio.run(main)

The tables are in the schema `ideal_async`, made by whoever comes first, and brought up to date by the first host of a
newer version; hosts of an older one then refuse to start. From the command line `ideal-async journal` shows, pauses and
counts, and `ideal-async status KEY --journal postgresql://...` tells how a job stands.

What each failure does:

| what happens | what becomes of it |
|---|---|
| a worker is killed before it sends | its key is `unknown`, for nobody knows that it was not paid: a person frees it |
| a worker is killed while it sends | its key is `unknown`: a person looks into the account, and adopts or frees it |
| a worker is killed once the id is written | nothing is lost: a living client follows the task |
| a worker freezes, or its computer sleeps, and its key is released | it asks again before it sends, and does not |
| a worker freezes while it asks, or its host is gone | the database ends its session, in 10 to 25 seconds |
| the database crashes or restarts | submits wait, for up to ten minutes; paid ids are written once it is back |
| the database is frozen, or the way to it is cut | the same, once 15 seconds have passed without an answer |
| a living worker's session is ended | a new one is made; what was doubted is not sent, and a late answer finds it |
| a worker dies while the database is away | the ids that it owed are lost with it; their keys are `unknown` |
| a client or a journal is closed while the database is away | that takes seconds; `JournalFailed` names the ids lost |
| the disk is full | nothing is sent, and that is said at once; what was paid is written when there is room |
| no such database, a wrong password, a standby | refused at the first word, with what mends it; later an outage |
| a pooler in transaction mode | refused: use session mode, or connect to the database itself |
| `fsync = off` | refused, also later; `synchronous_commit` is set to `on`, and a stricter setting stays |
| a failover to a synchronous replica | as a restart; name both hosts in the DSN, and the one that writes is taken |
| the API denies a task, or nobody saw its end for a day | it holds no place in flight; `stale()` lists it |
| somebody changed the tables by hand | `recount()` makes all totals anew from the rows |

**What remains.** A failover to an asynchronous replica, and a restored backup, have forgotten the last payments, and no
client can tell: their keys would be paid again. Use a synchronous replica (`synchronous_standby_names`). After a
restore `pause()` first, and look into the account for the tasks since the backup before `unpause()`. A request that has
left when its process is frozen is on its way: nobody can call it back.

**Limits** hold for each account over all hosts, and are decided under one row of the database by its clock: requests on
their way, tasks in flight, requests a second, credits. Give all hosts the same (`batch --limit-posts` and so on). What
is on its way when a disaster comes is what can be in doubt afterwards: at most `posts` for each. A limit that is
reached is waited for; that of credits raises `BudgetExceeded`. A task that nobody follows would hold a place: every
client follows its own to their end, and takes over those of dead hosts, unless somebody delivers the ends of this
account's tasks (`AsyncClient(follow=True)`), who then has them all.

**Pause**: after `pause()` no host sends anything until `unpause()`; tasks go on, and what is known is answered. For a
whole batch, of keys like `"spring/tour/17"`, `progress("spring/tour", origin)` counts jobs and credits by state, at
once.

**The password** is in no message, repr or log. Others may read a command line:
let PGPASSWORD or ~/.pgpass have it.
"""

try:
    import psycopg  # noqa: F401 # pyright: ignore[reportUnusedImport]  # to say which extra brings it
except ImportError as error:
    raise ImportError("a journal in PostgreSQL needs the extra: pip install 'ideal-async[postgres]'") from error

from ._gate import Limits
from ._journal import PostgresJournal
from ._manifests import Filed, Manifest

__all__ = ["Filed", "Limits", "Manifest", "PostgresJournal"]
