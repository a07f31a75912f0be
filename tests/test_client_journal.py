"""What a client answers for each state of a key, and what it writes down."""

import asyncio
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from fakes import note_id

from ideal_async import (
    AsyncClient,
    Budget,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    IdealError,
    ImageToVideo,
    Journal,
    JournalFailed,
    Outcome,
    OutOfCredits,
    Retry,
    Submission,
    SubmissionUnknown,
    TaskFailed,
    batch,
    resume,
)
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio

ORIGIN = "https://api.ideal.house:443"


def room(number: int = 0, **more: Any) -> ImageToVideo:
    return ImageToVideo(f"https://example.com/{number}.jpg?signature=1", duration=5, resolution="480p", **more)


async def inline(function: Callable[..., Any], *args: object) -> Any:
    """Stay in the event loop: threads and virtual time do not mix."""
    await anyio.lowlevel.checkpoint()
    return function(*args)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "orders.journal") as journal:
        yield journal


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(render=False) as sandbox:
        yield sandbox


def client_of(transport: httpx.AsyncBaseTransport, journal: Journal, **more: Any) -> AsyncClient:
    return AsyncClient("sandbox", transport=transport, journal=journal, _leave_loop=inline, **more)


def states(journal: Journal) -> dict[str, str]:
    return {entry.key: entry.state for entry in journal.entries()}


class Answering(httpx.AsyncBaseTransport):
    """Answers POSTs with *answer*, or raises it; looks find the task at its end."""

    def __init__(self, answer: Any = None, *, delay: float = 0.0, status: str = "Failed") -> None:
        self.answer = answer
        self.delay = delay
        self.status = status
        self.posts = 0
        self.looks = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.posts += 1
            await anyio.sleep(self.delay)
            if isinstance(self.answer, Exception):
                raise self.answer
            return httpx.Response(200, json=self.answer)
        self.looks += 1
        task = {"id": int(request.url.params["taskId"]), "status": self.status}
        return httpx.Response(200, json={"code": 0, "message": "success", "data": task})


def paid(task_id: int = 5) -> dict[str, Any]:
    return {"code": 0, "message": "success", "data": task_id}


async def test_a_generated_video_is_remembered(sandbox: Sandbox, journal: Journal) -> None:
    """After a restart the same key brings the stored task: no POST, no look, nothing spent."""
    async with client_of(sandbox.transport, journal) as client:
        task = await client.generate(room(), key="a")
    assert states(journal) == {"a": "succeeded"}

    def fail(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing is sent")

    async with client_of(httpx.MockTransport(fail), journal) as client:
        again = await client.generate(room(), key="a")
        assert await client.submit(room(), key="a") == task.id
        assert client.ledger.spent == 0
    assert again.id == task.id
    assert again.succeeded
    assert len(sandbox.created) == 1


async def test_a_submitted_key_waits_for_its_task(sandbox: Sandbox, journal: Journal) -> None:
    """A client that starts anew goes on waiting, and tells `on_submit` the id it knows."""
    async with client_of(sandbox.transport, journal) as client:
        task_id = await client.submit(room(), key="a")
    told: list[int] = []
    async with client_of(sandbox.transport, journal) as client:
        task = await client.generate(room(), key="a", on_submit=note_id(told))
    assert (task.id, told, len(sandbox.created)) == (task_id, [task_id], 1)
    assert states(journal) == {"a": "succeeded"}


async def test_a_failed_key_stays_failed(journal: Journal) -> None:
    """A task that failed is not paid again under the same key."""
    transport = Answering(paid())
    for _ in range(2):
        async with client_of(transport, journal) as client:
            with pytest.raises(TaskFailed) as failed:
                await client.generate(room(), key="a")
            assert failed.value.task_id == 5
    assert (transport.posts, transport.looks) == (1, 1)
    assert states(journal) == {"a": "failed"}


async def test_a_failed_task_is_refunded_once(journal: Journal) -> None:
    """What a failed task cost comes back to ledger and budget; an earlier client's costs are not counted here."""
    budget = Budget(25)
    for earlier in (0, 10):
        async with client_of(Answering(paid()), journal, budget=budget) as client:
            with pytest.raises(TaskFailed):
                await client.generate(room(), key="a")
            assert (client.ledger.spent, client.ledger.refunded) == (0, 10 - earlier)
    assert (budget.left, budget.refunded) == (25, 10)


async def test_an_end_without_a_promise_stays_spent(journal: Journal) -> None:
    """Cancelled, or the like: in ledger, budget and journal, now and over restarts, also for a limit since a time."""
    since = datetime.now(UTC)
    budget = Budget(25)
    for _ in range(2):
        async with client_of(Answering(paid(), status="Cancelled"), journal, budget=budget) as client:
            with pytest.raises(TaskFailed, match="whether its credits come back is not known") as failed:
                await client.generate(room(), key="a")
            assert failed.value.refunded is None
            entry = await client.lookup("a")
            assert entry is not None
            assert (entry.state, entry.refunded) == ("failed", None)
    assert (budget.left, budget.spent, budget.refunded) == (15, 10, 0)
    assert journal.spent(ORIGIN) == journal.spent(ORIGIN, ["a"]) == 10
    transport = Answering(paid())
    async with client_of(transport, journal, budget=Budget(15, since)) as client:
        with pytest.raises(BudgetExceeded, match="10 credits needed, 5 left"):
            await client.submit(room(1))
        journal.release("a", task_id=5)
        with pytest.raises(BudgetExceeded, match="10 credits needed, 5 left"):
            await client.submit(room(), key="a")
    assert transport.posts == 0


async def test_prohibited_content_is_told_again_with_its_reason(journal: Journal) -> None:
    """9038 in place of a task: there is no look to tell of, and its credits come back."""

    def prohibited(request: httpx.Request) -> httpx.Response:
        answer = paid() if request.method == "POST" else {"code": 9038, "message": "not in our house", "data": None}
        return httpx.Response(200, json=answer)

    for _ in range(2):
        async with client_of(httpx.MockTransport(prohibited), journal) as client:
            with pytest.raises(TaskFailed, match="not in our house") as failed:
                await client.generate(room(), key="a")
            assert (failed.value.task, failed.value.task_id, failed.value.refunded) == (None, 5, True)
    assert journal.spent(ORIGIN) == 0


async def test_resume_books_an_end_without_a_promise(journal: Journal) -> None:
    """What ended while nobody looked is told as everywhere else."""
    async with client_of(Answering(paid(), status="Aborted"), journal) as client:
        await client.submit(room(), key="a")
    async with client_of(Answering(status="Aborted"), journal) as client, resume(client) as outcomes:
        ended = [outcome.error async for outcome in outcomes]
    assert [type(error) for error in ended] == [TaskFailed]
    assert isinstance(ended[0], TaskFailed)
    assert ended[0].refunded is None
    assert journal.spent(ORIGIN) == 10


async def test_a_refused_key_is_sent_again(sandbox: Sandbox, journal: Journal) -> None:
    """A refusal costs nothing, so the same request may go again under its key."""
    refusing = Answering({"code": 9010, "message": "no", "data": None})
    async with client_of(refusing, journal) as client:
        with pytest.raises(ContentRejected):
            await client.submit(room(), key="a")
    assert states(journal) == {"a": "refused"}
    async with client_of(sandbox.transport, journal) as client:
        await client.submit(room(), key="a")
    assert states(journal) == {"a": "submitted"}


async def test_an_unknown_key_is_not_sent_until_released(sandbox: Sandbox, journal: Journal) -> None:
    """A lost answer blocks its key, across restarts, until a person has looked; then it is sent once."""
    losing = Answering(httpx.ReadTimeout("lost"))
    for _ in range(3):
        async with client_of(losing, journal) as client:
            with pytest.raises(SubmissionUnknown, match=r"journal\.release|not sent again"):
                await client.submit(room(), key="a")
    assert losing.posts == 1
    assert states(journal) == {"a": "unknown"}
    journal.release("a", force=True)
    async with client_of(sandbox.transport, journal) as client:
        await client.submit(room(), key="a")
    assert states(journal) == {"a": "submitted"}


async def test_release_works_within_one_client(journal: Journal) -> None:
    """The journal's word counts, not what the client remembers."""
    transport = Answering(httpx.ReadError("lost"))
    async with client_of(transport, journal) as client:
        with pytest.raises(SubmissionUnknown):
            await client.submit(room(), key="a")
        journal.release("a", force=True)
        transport.answer = paid(7)
        assert await client.submit(room(), key="a") == 7


async def test_a_request_without_a_key_is_found_again(journal: Journal) -> None:
    """It gets a key of its own, which the error names."""
    async with client_of(Answering(httpx.ReadError("lost")), journal) as client:
        with pytest.raises(SubmissionUnknown) as lost:
            await client.submit(room())
    (entry,) = journal.entries("unknown")
    assert lost.value.key == entry.key
    journal.release(entry.key, force=True)


async def test_one_key_is_one_request(sandbox: Sandbox, journal: Journal) -> None:
    """The same key with another request is a mistake; a new signature in its URL is not."""
    async with client_of(sandbox.transport, journal) as client:
        task_id = await client.submit(room(), key="a")
    async with client_of(sandbox.transport, journal) as client:
        with pytest.raises(ValueError, match="key 'a' was used for a different request"):
            await client.submit(room(1), key="a")
        fresh = ImageToVideo("https://example.com/0.jpg?signature=2", duration=5, resolution="480p")
        assert await client.submit(fresh, key="a") == task_id
        assert client.ledger.reserved == 0


async def test_the_sandbox_never_answers_for_production(sandbox: Sandbox, journal: Journal) -> None:
    """Rows are scoped by the API's origin."""
    async with client_of(sandbox.transport, journal) as client:
        await client.submit(room(), key="a")
    async with client_of(sandbox.transport, journal, base_url="https://other.example") as client:
        await client.submit(room(), key="a")
    assert len(sandbox.created) == 2
    assert {entry.origin for entry in journal.entries()} == {ORIGIN, "https://other.example:443"}


async def test_an_intended_key_of_a_living_process_is_waited_for(journal: Journal, tmp_path: Path) -> None:
    """Two processes with one key: the second gets the first one's task."""
    with Journal(tmp_path / "orders.journal") as other:
        first = Answering(paid(7), delay=3.0)
        second = Answering(paid(8))
        ids: list[int] = []

        async def submit(client: AsyncClient) -> None:
            ids.append(await client.submit(room(), key="a"))

        async with (
            client_of(first, journal) as one,
            client_of(second, other) as two,
            anyio.create_task_group() as group,
        ):
            group.start_soon(submit, one)
            await anyio.wait_all_tasks_blocked()
            group.start_soon(submit, two)
    assert ids == [7, 7]
    assert (first.posts, second.posts) == (1, 0)


async def test_a_journal_that_cannot_be_written_costs_nothing(sandbox: Sandbox, journal: Journal) -> None:
    """Without a durable intent nothing is sent."""
    journal.close()
    async with client_of(sandbox.transport, journal, budget=Budget(10)) as client:
        with pytest.raises((JournalFailed, RuntimeError, ValueError)) as failed:
            await client.submit(room(), key="a")
        assert getattr(failed.value, "task_id", None) is None
        assert (client.ledger.reserved, client.ledger.spent) == (0, 0)
    assert not sandbox.created


async def test_an_id_that_cannot_be_written_is_in_the_exception(sandbox: Sandbox, journal: Journal) -> None:
    """The disk fills up behind the POST: the task is paid, told to `on_submit`, and named by the error."""

    class Full(Journal):
        def submitted(self, _: Any, task_id: int) -> None:
            raise JournalFailed("the disk is full", task_id=task_id)

    told: list[int] = []
    journal.__class__ = Full
    async with client_of(sandbox.transport, journal) as client:
        with pytest.raises(JournalFailed) as failed:
            await client.generate(room(), key="a", on_submit=note_id(told))
        assert failed.value.task_id == sandbox.created[0].id
        assert told == [failed.value.task_id]
        assert client.ledger.spent == 10
    journal.__class__ = Journal


async def test_an_end_that_cannot_be_written_is_no_error(sandbox: Sandbox, journal: Journal) -> None:
    """The video is there and paid: a full disk does not take it away, the row stays open."""

    class Full(Journal):
        def settle(self, *_: Any, **__: Any) -> None:
            raise JournalFailed("the disk is full")

    journal.__class__ = Full
    async with client_of(sandbox.transport, journal) as client:
        assert (await client.generate(room(), key="a")).succeeded
    journal.__class__ = Journal
    assert states(journal) == {"a": "submitted"}


async def test_a_cancelled_caller_withdraws_what_was_not_sent(journal: Journal) -> None:
    """All POST slots are taken: a caller that goes before its turn leaves no trace, and nothing is spent."""
    transport = Answering(paid(), delay=50.0)
    async with client_of(transport, journal, max_requests_at_once=1) as client, anyio.create_task_group() as group:
        group.start_soon(client.submit, room())
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(1):
            await client.submit(room(1), key="b")
        await anyio.wait_all_tasks_blocked()
        assert client.ledger.reserved == 10
        assert "b" not in states(journal)
    assert transport.posts == 1


async def test_a_caller_cancelled_at_its_intent_withdraws_it(journal: Journal) -> None:
    """The intent stands in the journal, the request has not left: the row goes again."""
    transport = Answering(paid())
    reached = anyio.Event()

    async def slowly(function: Callable[..., Any], *args: object) -> Any:
        result = function(*args)
        reached.set()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
        return result

    client = AsyncClient("sandbox", transport=transport, journal=journal, _leave_loop=slowly)
    async with client, anyio.create_task_group() as group:
        group.start_soon(client.submit, room())
        await reached.wait()
        assert list(states(journal).values()) == ["intended"]
        group.cancel_scope.cancel()
    assert states(journal) == {}
    assert transport.posts == 0


async def test_an_answer_behind_the_deadline_is_written_down(journal: Journal) -> None:
    """The deadline ends during the POST: the caller is told of the doubt, the id is journalled when it comes."""
    told: list[int] = []
    async with client_of(Answering(paid(7), delay=20.0), journal) as client:
        with pytest.raises(SubmissionUnknown):
            await client.generate(room(), key="a", timeout=5, on_submit=note_id(told))
        assert states(journal) == {"a": "intended"}
    assert states(journal) == {"a": "submitted"}
    assert told == [7]


async def test_closing_waits_for_the_post_and_writes_its_id(journal: Journal) -> None:
    """A client that is closed finishes the POST on its way, journals it, and lets nothing new in."""
    transport = Answering(paid(7), delay=20.0)
    raised: list[Exception] = []

    async def submit(number: int, client: AsyncClient) -> None:
        try:
            await client.submit(room(number), key=str(number))
        except ConnectionFailed as error:
            raised.append(error)

    async with anyio.create_task_group() as group:
        async with client_of(transport, journal, max_requests_at_once=1) as client:
            for number in range(2):
                group.start_soon(submit, number, client)
                await anyio.wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="closed"):
            await client.submit(room())
    assert states(journal) == {"0": "submitted"}
    assert len(raised) == 1
    assert transport.posts == 1


async def test_resume_goes_on_without_a_post(sandbox: Sandbox, journal: Journal) -> None:
    """What was paid is waited for, what is in doubt is reported first, what is settled is left alone."""
    async with client_of(Answering(httpx.ReadError("lost")), journal) as client:
        with pytest.raises(SubmissionUnknown):
            await client.submit(room(), key="lost")
    async with client_of(sandbox.transport, journal) as client:
        await client.generate(room(), key="done")
        for number in range(5):
            await client.submit(room(number), key=f"open-{number}")
    created = len(sandbox.created)
    outcomes: list[Outcome] = []
    async with client_of(sandbox.transport, journal) as client, resume(client, max_in_flight=2) as resumed:
        async for outcome in resumed:
            outcomes.append(outcome)
            assert resumed.in_flight <= 2
    assert [outcome.key for outcome in outcomes if outcome.error] == ["lost"]
    assert isinstance(outcomes[0].error, SubmissionUnknown)
    assert {outcome.key for outcome in outcomes if outcome.task} == {f"open-{number}" for number in range(5)}
    assert len(sandbox.created) == created
    assert states(journal) == {"lost": "unknown", "done": "succeeded"} | {f"open-{n}": "succeeded" for n in range(5)}


async def test_resume_needs_a_journal(sandbox: Sandbox) -> None:
    """Without one there is nothing to resume, and the message names the fix."""
    async with AsyncClient("sandbox", transport=sandbox.transport) as client, resume(client) as resumed:
        with pytest.raises(RuntimeError, match="journal="):
            await anext(aiter(resumed))


async def test_a_batch_over_the_same_keys_goes_on(sandbox: Sandbox, journal: Journal) -> None:
    """Credits run out in the middle; after topping up, the same batch pays only for what is missing."""

    async def run(transport: httpx.AsyncBaseTransport) -> tuple[int, Exception | None]:
        succeeded = 0
        async with client_of(transport, journal) as client:
            async with batch(client, [(str(n), room(n)) for n in range(10)], max_in_flight=3) as outcomes:
                async for outcome in outcomes:
                    succeeded += outcome.task is not None
            return succeeded, outcomes.stopped_by

    with Sandbox(render=False, credits=40) as poor:
        succeeded, stopped_by = await run(poor.transport)
    assert (succeeded, type(stopped_by)) == (4, OutOfCredits)
    succeeded, stopped_by = await run(sandbox.transport)
    assert (succeeded, stopped_by) == (10, None)
    assert len(sandbox.created) == 6


def read_all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


async def test_the_key_is_nowhere_in_the_journal(sandbox: Sandbox, journal: Journal, tmp_path: Path) -> None:
    """Neither the API key nor a URL's signature is written to disk."""
    async with AsyncClient("sandbox", transport=sandbox.transport, journal=journal, _leave_loop=inline) as client:
        await client.generate(room(), key="a")
    journal.close()
    content = read_all(tmp_path)
    assert b"example.com/0.jpg" in content
    assert b"signature" not in content
    assert json.dumps("sandbox").encode() not in content


async def test_a_fetched_end_is_written_down(sandbox: Sandbox, journal: Journal) -> None:
    """Who looks by himself settles the row as well."""
    async with client_of(sandbox.transport, journal) as client:
        task_id = await client.submit(room(), key="a")
        await anyio.sleep(3600)
        assert (await client.fetch(task_id)).succeeded
    assert states(journal) == {"a": "succeeded"}


async def test_a_journal_that_breaks_otherwise_loses_no_id(journal: Journal, sandbox: Sandbox) -> None:
    """Whatever the store raises: the paid id is in the exception, and other callers go on waiting."""
    told: list[int] = []
    waited: list[bool] = []

    class Broken(Journal):
        def submitted(self, intent: Any, task_id: int) -> None:
            if sandbox.created[1:]:
                raise RuntimeError("nobody foresaw it")
            super().submitted(intent, task_id)

    journal.__class__ = Broken

    async def wait_for_another() -> None:
        waited.append((await client.generate(room(), key="other")).succeeded)

    async with client_of(sandbox.transport, journal) as client, anyio.create_task_group() as others:
        others.start_soon(wait_for_another)
        await anyio.sleep(1)
        with pytest.raises(JournalFailed, match="nobody foresaw it") as failed:
            await client.generate(room(1), key="b", on_submit=note_id(told))
        assert [failed.value.task_id] == told == [sandbox.created[1].id]
        assert (client.ledger.reserved, client.ledger.spent, client.ledger.unknown) == (0, 20, 0)
    journal.__class__ = Journal
    assert waited == [True]


class Believed(Answering):
    """Says that nothing was sent when it could not connect."""

    @staticmethod
    def sent_nothing(error: BaseException) -> bool:
        """What the client asks."""
        return isinstance(error, httpx.ConnectTimeout)


REFUSED = {"code": 9051, "message": "not enough credits", "data": None}


@pytest.mark.parametrize(
    ("verb", "answered", "state"),
    [
        ("submitted", paid(), "submitted"),
        ("refused", REFUSED, "refused"),
        ("unknown", httpx.ReadTimeout("lost"), "unknown"),
        ("withdraw", httpx.ConnectTimeout("down"), None),
    ],
)
@pytest.mark.parametrize("failed", [OSError("no thread can be started"), RuntimeError("can't start new thread")])
async def test_no_thread_can_be_started_behind_a_send(
    journal: Journal, verb: str, answered: Any, state: str | None, failed: Exception
) -> None:
    """What became of it is written in the event loop then: the journal knows it, and the next submit has its answer."""
    denied: list[str] = []

    async def no_thread(function: Callable[..., Any], *args: object) -> Any:
        if transport.posts and not denied:
            denied.append(verb)
            raise failed
        return await inline(function, *args)

    transport = Believed(answered)
    retry = Retry(attempts=1)
    client = AsyncClient("sandbox", transport=transport, journal=journal, _leave_loop=no_thread, retry=retry)
    async with client:
        first = await outcome_of(client)
        assert denied == [verb]
        assert states(journal).get("a") == state
        transport.answer = paid(6)
        second = await outcome_of(client)
    assert (first, second) == {
        "submitted": (5, 5),
        "refused": (OutOfCredits, 6),
        "unknown": (SubmissionUnknown, SubmissionUnknown),
        "withdraw": (ConnectionFailed, 6),
    }[verb]


async def outcome_of(client: AsyncClient) -> int | type[Exception]:
    """The id, or what was raised in its place; an hour is long enough."""
    with anyio.fail_after(3600):
        try:
            return await client.submit(room(), key="a")
        except IdealError as error:
            return type(error)


async def test_a_journal_that_cannot_tidy_up_is_a_journal(
    journal: Journal, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A store of somebody else's may raise what it likes when it is quiet: it is asked again the next time."""
    asked: list[float] = []

    class Untidy(Journal):
        def idle(self) -> None:
            asked.append(anyio.current_time())
            raise LookupError("no broom")

    journal.__class__ = Untidy
    async with client_of(sandbox.transport, journal) as client:
        for key in "ab":
            await client.submit(room(), key=key)
            await anyio.sleep(10)
    journal.__class__ = Journal
    assert len(asked) == 2
    assert "could not tidy up: LookupError: no broom" in caplog.text


async def test_a_key_used_twice_is_refunded_once(journal: Journal) -> None:
    """The second use of a key while its task runs does not take the place of the one that paid."""
    budget = Budget(25)
    async with client_of(Answering(paid()), journal, budget=budget) as client:
        for _ in range(2):
            await client.submit(room(), key="a")
        with pytest.raises(TaskFailed):
            await client.wait(5)
        assert (budget.left, budget.refunded, client.ledger.spent) == (25, 10, 0)


async def test_what_is_paid_already_needs_no_budget(sandbox: Sandbox, journal: Journal) -> None:
    """A batch that is run again needs budget for what it sends only."""
    jobs = [(str(number), room(number)) for number in range(4)]
    for credits in (40, 0):
        async with client_of(sandbox.transport, journal, budget=Budget(credits)) as client:
            async with batch(client, jobs) as outcomes:
                assert [outcome.error async for outcome in outcomes] == [None] * 4
            assert outcomes.stopped_by is None
    assert len(sandbox.created) == 4


async def test_an_exceeded_budget_leaves_no_trace_in_the_journal(sandbox: Sandbox, journal: Journal) -> None:
    """The intent is withdrawn: nothing was sent, and the key is free."""
    async with client_of(sandbox.transport, journal, budget=Budget(5)) as client:
        with pytest.raises(BudgetExceeded):
            await client.submit(room(), key="a")
        assert client.ledger.reserved == 0
    assert states(journal) == {}


async def test_an_id_the_journal_knows_already_is_written_down_all_the_same(journal: Journal) -> None:
    """A sandbox that was started anew gives the same ids once more."""
    async with client_of(Answering(paid(7)), journal) as client:
        for key in ("a", "b"):
            await client.submit(room(), key=key)
    assert states(journal) == {"a": "submitted", "b": "submitted"}


async def test_a_deadline_while_a_refusal_is_written_down_is_no_doubt(journal: Journal) -> None:
    """The API said no before the deadline passed: nothing was paid, and that is what the caller hears."""

    async def slow_disk(function: Callable[..., Any], *args: object) -> Any:
        if getattr(function, "__name__", "") == "refused":
            await anyio.sleep(10)
        return await inline(function, *args)

    refusing = Answering({"code": 9051, "message": "no coins", "data": None})
    async with AsyncClient("sandbox", transport=refusing, journal=journal, _leave_loop=slow_disk) as client:
        with pytest.raises(OutOfCredits):
            await client.generate(room(), key="a", timeout=5)
    assert states(journal) == {"a": "refused"}


async def test_what_the_journal_knows_is_told_behind_the_deadline_too(sandbox: Sandbox, journal: Journal) -> None:
    """It was asked before, on a slow disk: the video is there, and no deadline makes it unknown."""
    async with client_of(sandbox.transport, journal) as client:
        made = await client.generate(room(), key="a")

    async def slow_disk(function: Callable[..., Any], *args: object) -> Any:
        with anyio.CancelScope(shield=True):  # a thread cannot be called back
            await anyio.sleep(10)
        return function(*args)

    async with AsyncClient("sandbox", transport=sandbox.transport, journal=journal, _leave_loop=slow_disk) as client:
        task = await client.generate(room(), key="a", timeout=5)
    assert (task.id, len(sandbox.created)) == (made.id, 1)


async def test_a_callback_that_never_returns_does_not_hold_the_client(journal: Journal) -> None:
    """`on_submit` waits for somebody who has left: after its limit the job goes on, and the client can be closed."""
    async with client_of(Answering(paid()), journal) as client:
        with pytest.raises(TimeoutError) as late:
            await client.generate(room(), key="a", on_submit=lambda _: anyio.sleep(math.inf))
        assert "task 5" in late.value.__notes__[0]
    assert states(journal) == {"a": "submitted"}


async def test_a_callback_may_use_the_same_key(journal: Journal) -> None:
    """Its task is known by then: nobody waits for anybody."""
    ids: list[int] = []
    async with client_of(Answering(paid(7)), journal) as client:

        async def again(_: Submission) -> None:
            ids.append(await client.submit(room(), key="a"))

        with pytest.raises(TaskFailed):
            await client.generate(room(), key="a", on_submit=again)
    assert ids == [7]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_callback_that_is_cancelled_by_others_ends_nobody_elses_wait(journal: Journal) -> None:
    """It awaited a task somebody had cancelled: the caller hears of it, the client lives."""
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()

    async def on_submit(_: Submission) -> None:
        await cancelled

    async with client_of(Answering(paid()), journal) as client:
        with pytest.raises(RuntimeError, match="on_submit was cancelled"):
            await client.generate(room(), key="a", on_submit=on_submit)
        assert await client.submit(room(), key="a") == 5


@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_deadline_that_has_passed_leaves_no_trace(timeout: float, journal: Journal, sandbox: Sandbox) -> None:
    """Nothing is sent, and nothing stays in the journal or in the budget."""
    budget = Budget(100)
    async with client_of(sandbox.transport, journal, budget=budget) as client:
        with pytest.raises(ConnectionFailed, match="nothing was spent"):
            await client.generate(room(), key="a", timeout=timeout)
        await anyio.sleep(1)
        assert sandbox.created == []
        assert budget.left == 100
        assert list(journal.entries()) == []
