"""The client on the worst day of the service: thousands of jobs, each outcome checked against the world's books."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import anyio
import attrs
import pytest
from test_client_journal import inline

from ideal_async import (
    ApiError,
    AsyncClient,
    Budget,
    ConnectionFailed,
    DownloadFailed,
    ImageToVideo,
    Journal,
    Ledger,
    Outcome,
    SubmissionUnknown,
    TaskFailed,
    batch,
)
from ideal_async.sandbox import PROFILES, Exchange, Receipt, Sandbox, read_faults
from ideal_async.sandbox._files import stand_in

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore:Exception ignored .*<async_generator object")]

#: Jobs on each backend.
#: A few hundred tell most; the soak makes thousands.
JOBS = 2000 if os.environ.get("IDEAL_ASYNC_SOAK") else 250

#: After what a submit may be in doubt; after anything else it may not.
DOUBTFUL = {
    *(str(fault.effect) for fault in read_faults(PROFILES["hostile"]["in between, and the task is paid"])),
    *("drop", "drop after", "cut 50%", "truncate 50%", "delay 90"),
    *("200 code 200 data 77", "400 code 1011 data 77", "200 code 0"),
    *("envelope code=200", "envelope code=1001 message=queued", 'envelope code="0"'),
    *("packed gzip gzip", "packed snappy", "bomb 64"),
}

#: What is charged for a job.
PRICE = 10
#: Runs of the same batch, until nothing is left to do: three doubts in a row close the intake of one.
ROUNDS = 40
#: Seconds of virtual time: the longest task takes 15 minutes, an outage 10.
LIMIT = 24 * 3600.0


@attrs.frozen
class Books:
    """What the client said of each key at last, and what is true."""

    said: dict[str, Outcome]
    states: dict[str, str]
    ids: dict[str, int | None]
    made: dict[str, list[Receipt]]
    ledger: Ledger
    spent: int
    saved: dict[str, Exception | Path]
    #: Submits that may be in doubt.
    doubtful: int

    def mistakes(self) -> Iterator[str]:
        """Every key of which something wrong is said, one line each."""
        for key, made in self.made.items():
            if len(made) > 1:
                yield f"{key}: paid {len(made)} times"
            outcome = self.said.get(key)
            if outcome is None:
                yield f"{key}: no outcome"
                continue
            told = self._judge(outcome, made)
            if told:
                yield f"{key}: {told}: said {outcome.task or outcome.error!r}, journal {self.states.get(key)}"
            # What was made is known by its id, or known to be in doubt.
            if made and self.states.get(key) != "unknown" and self.ids.get(key) != made[0].id:
                yield f"{key}: task {made[0].id} is lost, journal {self.states.get(key)} {self.ids.get(key)}"
        yield from self._mistakes_with_files()
        yield from self._mistakes_with_money()

    def _mistakes_with_files(self) -> Iterator[str]:
        for key, saved in self.saved.items():
            content = saved.read_bytes() if isinstance(saved, Path) else saved
            if content != stand_in(self.made[key][0].id, "video_result.mp4").content:
                yield f"{key}: saved {content!r:.80}"

    def _mistakes_with_money(self) -> Iterator[str]:
        doubts = sum(state == "unknown" for state in self.states.values())
        if doubts > self.doubtful:
            yield f"{doubts} in doubt, of {self.doubtful} that may be"
        if self.ledger.unknown != doubts * PRICE:
            yield f"{self.ledger} for {doubts} in doubt"
        known = self.spent - PRICE * sum(self.states.get(key) == "unknown" for key, made in self.made.items() if made)
        if self.ledger.spent < known:
            yield f"{self.ledger} although {known} are spent on what is known"

    def _judge(self, outcome: Outcome, made: list[Receipt]) -> str | None:
        if outcome.task is not None:
            there = outcome.task.output is not None and bool(outcome.task.output.result_url)
            fine = there and bool(made) and made[0].status == "Success" and made[0].id == outcome.task.id
            return None if fine else "no such success"
        match outcome.error:
            case TaskFailed():
                return None if made and made[0].status == "Failed" else "it did not fail"
            case SubmissionUnknown():
                return None
            case ApiError() | ConnectionFailed() if outcome.task_id is None:
                return "refused, but made" if made else None
            case _:
                return "no end"


def rooms(jobs: int) -> Iterator[tuple[str, ImageToVideo]]:
    for number in range(jobs):
        yield f"job-{number}", ImageToVideo(f"https://example.com/{number}.jpg", duration=5, resolution="480p")


async def live_through(kinds: Mapping[str, str], jobs: int, folder: Path, *, seed: int = 0, save: int = 0) -> Books:
    """Make *jobs* videos with these faults, as often as it takes, and save some of them."""
    asked: list[Exchange] = []
    sandbox = Sandbox(
        render=False, credits=10**9, workers=10**6, seed=seed, faults=kinds.values(), on_request=asked.append
    )
    said: dict[str, Outcome] = {}
    saved: dict[str, Exception | Path] = {}
    budget = Budget(10**9)
    with anyio.fail_after(LIMIT), Journal(folder / "orders.journal") as journal:
        for _ in range(ROUNDS):
            async with AsyncClient(
                sandbox.api_key, transport=sandbox.transport, journal=journal, budget=budget, _leave_loop=inline
            ) as client:
                async with batch(client, rooms(jobs), max_in_flight=500) as outcomes:
                    async for outcome in outcomes:
                        said[str(outcome.key)] = outcome
                for key, known in list(said.items())[:save]:
                    if known.task is not None and key not in saved:
                        saved[key] = await save_one(client, known, folder / f"{key}.mp4")
            if len(said) == jobs and all(
                isinstance(o.error, None | TaskFailed | SubmissionUnknown) for o in said.values()
            ):
                break
        await anyio.sleep(3600)
        entries = list(journal.entries())
    made: dict[str, list[Receipt]] = {key: [] for key, _ in rooms(jobs)}
    for receipt in sandbox.created:
        made["job-" + receipt.input["imageUrl"].rpartition("/")[2].removesuffix(".jpg")].append(receipt)
    return Books(
        said,
        {entry.key: entry.state for entry in entries},
        {entry.key: entry.task_id for entry in entries},
        made,
        budget,
        10**9 - sandbox.credits,
        saved,
        sum(exchange.method == "POST" and not DOUBTFUL.isdisjoint(exchange.faults) for exchange in asked),
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [0])
async def test_every_outcome_is_right(seed: int, tmp_path: Path) -> None:
    """Nothing is paid twice, nothing lost, nothing hangs; every outcome, journal entry and saved video is the truth."""
    books = await live_through(PROFILES["hostile"], JOBS, tmp_path, seed=seed, save=JOBS // 10)
    assert list(books.mistakes()) == []
    # The worst day was one: some requests were in doubt, some tasks failed, and nearly everything was made.
    counts = Counter(books.states.values())
    assert counts["succeeded"] > 0.8 * JOBS


async def save_one(client: AsyncClient, outcome: Outcome, path: Path) -> Exception | Path:
    """Save a video, again and again as its error says, and compare it with the real one."""
    assert outcome.task is not None
    problem: Exception = TimeoutError("an endless body")
    for _ in range(20):
        with anyio.move_on_after(120):
            try:
                await client.download(outcome.task, path)
            except (DownloadFailed, ValueError) as error:
                problem = error
                continue
            return path
    return problem
