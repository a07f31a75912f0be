"""Pull the plug on hosts that share a journal: no key is paid twice, none is lost, and no limit is exceeded."""

import os
import random
import time
from collections import Counter
from pathlib import Path

import crash_worker
import pytest
from servers import Postgres, open_postgres
from test_crash import FORKS, CountingServer, fork_server, server, url_of

from ideal_async.postgres import PostgresJournal

__all__ = ["fork_server", "server"]  # fixtures

pytestmark = pytest.mark.slow
SOAK = bool(os.environ.get("IDEAL_ASYNC_SOAK"))
KEYS, KILLS = (300, 40) if SOAK else (100, 5)
POSTS = 8


def run_hosts(server: CountingServer, database: Postgres, keys: list[str], kills: int, *, crash: bool) -> int:
    """Three hosts work on the same keys in different orders, are killed at will and replaced; return the kills."""
    dice, done = random.Random(5), 0

    def start() -> object:
        order = dice.sample(keys, len(keys))
        child = FORKS.Process(target=crash_worker.run_shared, args=(url_of(server), database.dsn(), order))
        child.start()
        return child

    hosts: list[object] = [start() for _ in range(3)]
    while done < kills:
        time.sleep(dice.uniform(0.2, 0.6))  # real processes are killed in real time
        victim = dice.randrange(3)
        child = hosts[victim]
        if child.is_alive():  # type: ignore[attr-defined]
            child.kill()  # type: ignore[attr-defined]
            done += 1
        child.join()  # type: ignore[attr-defined]
        hosts[victim] = start()
        if crash and done == kills // 2:
            crash = False
            database.kill()
            time.sleep(0.5)
            database.start()
        if done == kills - 1:
            database.say(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ideal_async' LIMIT 1"
            )
    for child in hosts:
        child.join()  # type: ignore[attr-defined]
    return done


@pytest.mark.timeout(1800 if SOAK else 300)
def test_hosts_that_are_killed_pay_once(server: CountingServer) -> None:
    """Five kills, one crash of the database, one session ended under a living owner: 0 double, 0 lost."""
    keys = [str(number) for number in range(KEYS)]
    with open_postgres() as database:
        kills = run_hosts(server, database, keys, KILLS, crash=True)
        server.quiesce()
        with PostgresJournal(database.dsn()) as journal:
            journal.open()
            entries = {entry.key: entry for entry in journal.entries()}
    states = Counter(entry.state for entry in entries.values())
    print(f"{kills} kills, {len(keys)} keys: {dict(states)}, created {sum(server.created.values())}")  # noqa: T201 - the figure
    assert max(server.created.values()) == 1, "paid twice"
    for key in server.created:
        assert entries[key].state in {"submitted", "succeeded", "unknown"}, f"{key} was paid and lost"
    for entry in entries.values():
        if entry.task_id is not None:
            assert server.ids[str(entry.task_id)] == entry.key
    assert states["unknown"] <= POSTS * (kills + 2)
    assert states["succeeded"] + states["unknown"] == len(keys)
    assert server.most_at_once <= POSTS


def test_a_journal_a_host_pays_twice(server: CountingServer, tmp_path: Path) -> None:
    """The control: what the shared journal is for."""
    keys = [str(number) for number in range(20)]
    children = [
        FORKS.Process(target=crash_worker.run, args=(url_of(server), tmp_path / f"{host}.journal", keys))
        for host in range(2)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert server.created == Counter(dict.fromkeys(keys, 2))
