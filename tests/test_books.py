"""One place for the books: what became of each request and its credits, whoever asks."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import httpcore
import httpx
import pytest
from fakes import ID, ROOM, Service, answer, client_of, look, note_id

from ideal_async import (
    PRICES,
    AsyncClient,
    Budget,
    BudgetExceeded,
    ConnectionFailed,
    ContentRejected,
    ImageToVideo,
    Journal,
    NotTheApi,
    Outcome,
    Prices,
    Retry,
    Submission,
    SubmissionUnknown,
    TaskFailed,
    batch,
    estimate,
)
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio
LOST = httpx.ReadError("lost")
PORTAL = httpx.Response(403, headers={"Server": "portal"}, content=b"<html>Sign in</html>")


async def inline(function: Any, *args: object) -> Any:
    """Stay in the event loop: threads and virtual time do not mix."""
    await anyio.lowlevel.checkpoint()
    return function(*args)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "orders.journal") as journal:
        yield journal


# Refunds


async def test_only_who_paid_is_refunded(journal: Journal) -> None:
    """Two clients await one key, and its task fails: a budget of 100 is 100 again, not more."""
    service = Service(submit=answer(ID), look=[look(), look("Failed")])
    budget = Budget(100)
    more: dict[str, Any] = {"journal": journal, "budget": budget, "_leave_loop": inline}
    async with (
        client_of(service, **more) as one,
        client_of(service, **more) as other,
        anyio.create_task_group() as both,
    ):

        async def order(client: AsyncClient) -> None:
            with pytest.raises(TaskFailed):
                await client.generate(ROOM, key="a")

        both.start_soon(order, one)
        await anyio.sleep(1)
        both.start_soon(order, other)
    assert len(service.submits) == 1
    assert (budget.left, budget.refunded) == (100, 20)
    assert (one.ledger.refunded, other.ledger.refunded) == (20, 0)


async def test_a_failure_seen_twice_is_refunded_once() -> None:
    """By a fetch and by the poller."""
    budget = Budget(100)
    async with client_of(Service(submit=answer(ID), look=look("Failed")), budget=budget) as client:
        await client.submit(ROOM)
        assert (await client.fetch(ID)).done
        with pytest.raises(TaskFailed):
            await client.wait(ID)
    assert (budget.left, budget.refunded) == (100, 20)


# Prices


async def test_another_price_table_needs_no_budget() -> None:
    """The vendor may change the prices before we do."""
    prices = Prices("2027-01-01", {("Flash", False, "720p", 5): 7})
    async with client_of(Service(submit=answer(ID), look=look()), prices=prices) as client:
        await client.submit(ROOM)
        assert client.ledger.spent == 7
    assert estimate(ROOM, prices=prices) == 7


async def test_what_has_no_price_can_be_submitted_unless_there_is_a_budget(journal: Journal) -> None:
    """Its credits are unknown; a limit cannot count them, and says so before anything is sent."""
    prices = Prices("2027-01-01", {})
    service = Service(submit=answer(ID), look=look())
    async with client_of(service, prices=prices, journal=journal, _leave_loop=inline) as client:
        assert await client.submit(ROOM, key="a") == ID
        assert client.ledger.spent == 0
        entry = await client.lookup("a")
        assert entry is not None
        assert entry.credits is None
    async with client_of(service, prices=prices, budget=Budget(100)) as client:
        with pytest.raises(ValueError, match=r"has no price for .*, so a budget cannot cover it: pass prices="):
            await client.submit(ROOM)
    assert len(service.submits) == 1
    assert len(PRICES.credits) == 18


# A cap over the work


async def test_a_budget_since_a_date_counts_over_restarts(journal: Journal) -> None:
    """Three runs under one cap and one journal spend no more than it, not three times that."""
    ids = iter(range(1, 100))
    service = Service(submit=lambda _: answer(next(ids)), look=look())
    since = datetime(2020, 1, 1, tzinfo=UTC)
    for run in range(3):
        async with client_of(service, journal=journal, budget=Budget(50, since), _leave_loop=inline) as client:
            for number in range(4):
                try:
                    await client.submit(ROOM, key=f"{run}-{number}")
                except BudgetExceeded as error:
                    assert (error.needed, error.left) == (20, 10)  # noqa: PT017 - the others went through
    assert len(service.submits) == 2
    assert journal.spent(client.origin, since=since) == 40


async def test_a_cap_holds_under_a_thousand_submits(journal: Journal) -> None:
    """It is decided in the journal's own transaction."""
    ids = iter(range(1, 5000))
    service = Service(submit=lambda _: answer(next(ids)), look=look())
    budget = Budget(1000, datetime(2020, 1, 1, tzinfo=UTC))
    refused = 0

    async def submit(client: AsyncClient, number: int) -> None:
        nonlocal refused
        try:
            await client.submit(ROOM, key=str(number))
        except BudgetExceeded:
            refused += 1

    client = client_of(service, journal=journal, budget=budget, _leave_loop=inline)
    async with client, anyio.create_task_group() as submits:
        for number in range(1000):
            submits.start_soon(submit, client, number)
    assert (len(service.submits), refused) == (50, 950)


# Accounts


async def test_two_accounts_on_one_host_share_no_keys(journal: Journal) -> None:
    """A name tells them apart, never anything of the key."""
    ids = iter((1, 2))
    service = Service(submit=lambda _: answer(next(ids)), look=look())
    found: list[Any] = []
    for account in (None, "studio"):
        async with client_of(service, journal=journal, account=account, _leave_loop=inline) as client:
            found.append(await client.submit(ROOM, key="a"))
            entry = await client.lookup("a")
            assert entry is not None
            assert entry.task_id == found[-1]
    assert found == [1, 2]


# Who hears of what


async def test_only_one_callback_a_payment_hears_that_it_was_paid(journal: Journal) -> None:
    """Callers of one flight, and a replay: `paid` counts payments, `task_id` is what is billed."""
    heard: list[Submission] = []
    service = Service(submit=answer(ID), look=look("Success"))
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        async with anyio.create_task_group() as callers:
            for _ in range(3):
                callers.start_soon(lambda: client.submit(ROOM, key="a", on_submit=heard.append))
        await client.submit(ROOM, key="a", on_submit=heard.append)
        await client.generate(ROOM, key="a", on_submit=heard.append)
    assert [submission.paid for submission in heard] == [True, False, False, False, False]
    assert {(submission.task_id, submission.key, submission.request) for submission in heard} == {(ID, "a", ROOM)}


async def test_a_batch_counts_payments_and_calls_for_each_key(journal: Journal) -> None:
    """The second run pays nothing, and hears of each task all the same."""
    with Sandbox(render=False) as sandbox:
        for paid in (3, 0):
            heard: list[Submission] = []
            async with AsyncClient(
                "sandbox", transport=sandbox.transport, journal=journal, _leave_loop=inline
            ) as client:
                rooms = [(f"order-{number}", ROOM) for number in range(3)]
                async with batch(client, rooms, on_submit=heard.append) as outcomes:
                    async for outcome in outcomes:
                        assert outcome.error is None
            assert outcomes.submitted == paid
            assert sorted((submission.index, submission.key) for submission in heard) == [
                (0, "order-0"),
                (1, "order-1"),
                (2, "order-2"),
            ]
            assert sum(submission.paid for submission in heard) == paid


async def test_closing_a_client_in_its_own_callback_is_refused() -> None:
    """It would wait for itself; the caller hears what to do instead."""
    async with client_of(Service(submit=answer(ID), look=look())) as client:

        async def close(_: Submission) -> None:
            await client.aclose()

        with pytest.raises(RuntimeError, match="outside of on_submit"):
            await client.submit(ROOM, on_submit=close)
        assert await client.submit(ROOM) == ID  # it lives


async def test_closing_a_client_in_what_it_calls_is_refused() -> None:
    """Wherever that is: a report of a batch, a source of requests, a hook of the user's http client on asyncio."""
    service = Service(submit=answer(ID), look=look("Success"))

    async with client_of(service) as client:

        async def report(_: object) -> None:
            await client.aclose()

        async def source() -> AsyncIterator[ImageToVideo]:
            yield ROOM
            await client.aclose()

        for requests, more in (([ROOM], {"on_progress": report}), (source(), {})):
            async with batch(client, requests, **more) as outcomes:  # type: ignore[arg-type]
                assert (await anext(outcomes)).error is None
                with pytest.raises(RuntimeError, match="whatever else it calls"):
                    await anext(outcomes)
        assert await client.submit(ROOM) == ID


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"loop_factory": None})], ids=["asyncio"])
async def test_closing_a_client_in_a_hook_is_refused() -> None:
    """On trio only the task that opened it can close it."""

    async def close(_: httpx.Response) -> None:
        await client.aclose()

    service = Service(submit=answer(ID))
    async with (
        httpx.AsyncClient(transport=service, event_hooks={"response": [close]}) as http_client,
        AsyncClient("key-1", base_url="https://api.example", http_client=http_client) as client,
    ):
        with pytest.raises(SubmissionUnknown) as caught:
            await client.submit(ROOM)
        assert "whatever else it calls" in str(caught.value)


# No word of the API


@pytest.mark.parametrize(
    ("silence", "doubts"),
    [
        (LOST, 3),
        (PORTAL, 0),
        (httpx.Response(502, text="<html>nginx</html>"), 3),
        (httpx.Response(501, text="<html>Unsupported method</html>"), 3),
        (answer(None, 500, "Internal Server Error", status=500), 3),
        (answer({"taskId": "sent under a new name"}), 3),
    ],
    ids=["lost", "portal", "502", "501", "500 in JSON", "another form"],
)
async def test_three_requests_without_a_word_of_the_api_are_enough(silence: Any, doubts: int) -> None:
    """A wrong base URL puts three keys in doubt at most, not three hundred, and the batch says why it stopped."""
    service = Service(submit=silence)
    budget = Budget(10_000)
    async with client_of(service, budget=budget) as client:
        seen: list[Outcome] = []
        async with batch(client, (ROOM for _ in range(300))) as outcomes:
            seen.extend([outcome async for outcome in outcomes])
        assert len(service.submits) == 3
        assert outcomes.stopped_by is not None
        assert client.halted_by is not None
    errors = [outcome.error for outcome in seen]
    tried, rest = errors[:3], errors[3:]
    assert all(isinstance(error, SubmissionUnknown | NotTheApi) for error in tried)
    assert rest
    assert all(isinstance(error, ConnectionFailed) and "3 requests in a row" in str(error) for error in rest)
    assert budget.left == 10_000 - 20 * doubts


async def test_a_client_that_was_silenced_tries_again() -> None:
    """One at a time, and as before once the API has spoken."""
    ids = iter(range(1, 100))
    replies = iter([LOST, LOST, LOST, LOST])
    service = Service(submit=lambda _: next(replies, None) or answer(next(ids)), look=look())
    async with client_of(service) as client:
        for _ in range(3):
            with pytest.raises(SubmissionUnknown):
                await client.submit(ROOM)
        with pytest.raises(ConnectionFailed, match="after 5 s the next one is tried again"):
            await client.submit(ROOM)
        assert len(service.submits) == 3
        await anyio.sleep(5)
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM)
        assert client.halted_by is not None
        await anyio.sleep(5)
        assert await client.submit(ROOM) == 1
        assert client.halted_by is None
        async with batch(client, [ROOM, ROOM], timeout=1) as outcomes:
            assert {outcome.task_id async for outcome in outcomes} == {2, 3}
        assert isinstance(outcomes.stopped_by, TimeoutError | None)


async def test_what_a_journal_recalls_is_no_silence(journal: Journal) -> None:
    """Doubts of an earlier run close no intake."""
    service = Service(submit=[LOST, LOST, answer(ID)], look=look())
    more: dict[str, Any] = {"journal": journal, "_leave_loop": inline}
    async with client_of(service, **more) as client:
        for key in "ab":
            with pytest.raises(SubmissionUnknown):
                await client.submit(ROOM, key=key)
        for key in "abab":
            with pytest.raises(SubmissionUnknown):
                await client.submit(ROOM, key=key)
        assert client.halted_by is None
        assert await client.submit(ROOM, key="c") == ID


# Doubts


async def test_a_doubt_names_its_key_and_both_ways_out(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """In the error and in the log, ready to be pasted."""
    async with client_of(Service(submit=LOST), journal=journal, _leave_loop=inline) as client:
        with pytest.raises(SubmissionUnknown) as caught:
            await client.submit(ROOM, key="order-42")
    for text in (str(caught.value), caplog.text):
        assert "client.adopt('order-42'" in text
        assert "journal.release('order-42')" in text
        assert ROOM.fingerprint in text


async def test_a_released_key_frees_what_its_budget_held(journal: Journal) -> None:
    """A person has made sure that it was not paid."""
    budget = Budget(100)
    service = Service(submit=[LOST, answer(ID)], look=look())
    async with client_of(service, journal=journal, budget=budget, _leave_loop=inline) as client:
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM, key="a")
        assert (budget.unknown, budget.left) == (20, 80)
        journal.release("a", force=True)
        await client.submit(ROOM, key="a")
        assert (budget.unknown, budget.spent, budget.left) == (0, 20, 80)
        assert (client.ledger.unknown, client.ledger.spent) == (0, 20)


@pytest.mark.parametrize("adopted", [False, True])
async def test_whoever_shares_a_budget_learns_that_a_doubt_is_over(journal: Journal, *, adopted: bool) -> None:
    """Also once its own client is closed; the same key of another account is another matter."""
    budget = Budget(100)
    echo = {"imageUrl": ROOM.image_url, "duration": 5, "resolution": "720p", "modelType": "Flash"}
    service = Service(submit=[LOST, answer(ID), answer(ID + 1)], look=look("Failed", ID + 1, input=echo))
    more: dict[str, Any] = {"journal": journal, "budget": budget, "_leave_loop": inline}
    async with client_of(service, **more) as first:
        with pytest.raises(SubmissionUnknown):
            await first.submit(ROOM, key="a")
    async with client_of(service, account="other", **more) as other:
        await other.submit(ROOM, key="a")
    assert (budget.unknown, budget.spent, first.ledger.unknown) == (20, 20, 20)
    async with client_of(service, **more) as second:
        if adopted:
            await second.adopt("a", ID + 1)
            assert (first.ledger.spent, second.ledger.spent, second.ledger.refunded) == (20, 0, 0)
        else:
            journal.release("a", account="", force=True)
            await second.submit(ROOM, key="a")
            assert (first.ledger.spent, second.ledger.spent) == (0, 20)
        assert (budget.unknown, budget.spent, first.ledger.unknown) == (0, 40, 0)
        assert not budget.doubts


async def test_what_was_released_between_intent_and_send_does_not_leave_on_the_old_intent(journal: Journal) -> None:
    """A process that froze there asks again before each send."""
    service = Service(submit=[answer(code=1003, message="busy"), answer(ID)], look=look())

    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        async with anyio.create_task_group() as callers:
            callers.start_soon(lambda: client.submit(ROOM, key="a"))
            await anyio.wait_all_tasks_blocked()  # the first POST was answered, the second waits for its time
            attempts = [entry.created_at for entry in journal.entries("intended")]
            assert len(attempts) == 1
            journal.__class__ = Frozen
        assert len(service.submits) == 2
        ledger = client.ledger
        assert (ledger.reserved, ledger.spent, ledger.unknown) == (0, 20, 0), "set aside once, not once an intent"
    journal.__class__ = Journal
    (entry,) = journal.entries()
    assert (entry.state, entry.task_id) == ("submitted", ID)
    assert entry.created_at >= attempts[0]


class Frozen(Journal):
    """Loses the first intent that is confirmed: a person has released it."""

    def confirm(self, intent: Any) -> Any:
        self.__class__ = Journal  # type: ignore[assignment]  # once is enough
        self.unknown(intent)
        self.release(intent.key, force=True)
        return Journal.confirm(self, intent)


async def test_an_intent_is_confirmed_unless_it_was_written_a_moment_ago(journal: Journal) -> None:
    """Whoever is late asks: a process that was frozen, a photograph that took its time, a second send."""
    asked: list[str] = []

    class Counting(Journal):
        def confirm(self, intent: Any) -> Any:
            asked.append(intent.key)
            return super().confirm(intent)

    journal.__class__ = Counting
    service = Service(submit=[answer(ID), answer(code=1003, message="busy"), answer(ID + 1)], look=look())
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await client.submit(ROOM, key="at once")
        assert asked == []
        await client.submit(ROOM, key="twice")
        assert asked == ["twice"]
        late = client._books.open(ROOM, "late")
        assert await client._books.intend(late) is None
        assert late.intent is not None
        await anyio.sleep(late.intent.holds_for * 0.9)
        assert await client._books.confirm(late) is True
        assert asked == ["twice"]
        await anyio.sleep(late.intent.holds_for * 0.2)
        assert await client._books.confirm(late) is True
        assert asked == ["twice", "late"]
        await client._books.not_sent(late)
    journal.__class__ = Journal


async def test_what_took_long_to_write_down_is_confirmed(journal: Journal) -> None:
    """The moment counts from the question on: nobody knows when in between the process was frozen."""
    asked: list[str] = []

    class Counting(Journal):
        def confirm(self, intent: Any) -> Any:
            asked.append(intent.key)
            return super().confirm(intent)

    async def slowly(function: Any, *args: object) -> Any:
        result = function(*args)
        await anyio.sleep(1)
        return result

    journal.__class__ = Counting
    async with client_of(Service(submit=answer(ID)), journal=journal, _leave_loop=slowly) as client:
        await client.submit(ROOM, key="a")
    journal.__class__ = Journal
    assert asked == ["a"]


async def test_a_key_that_is_over_is_no_running_task(journal: Journal) -> None:
    """What a journal recalls as ended, or does not know the end of, is kept in no registry."""
    service = Service(submit=[answer(ID), answer(ID + 1), LOST], look=[look("Success"), look("Failed", ID + 1)])
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await client.generate(ROOM, key="made")
        with pytest.raises(TaskFailed):
            await client.generate(ROOM, key="failed")
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM, key="lost")
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        await client.submit(ROOM, key="made")
        for key, error in (("failed", TaskFailed), ("lost", SubmissionUnknown)):
            with pytest.raises(error):
                await client.submit(ROOM, key=key)
        assert client._books.running(ID) is client._books.running(ID + 1) is None
        assert not client._books._running


async def test_what_nobody_waits_for_is_not_sent_a_second_time(journal: Journal) -> None:
    """It was refused on its way, and whoever would have tried again has left: the key is free."""
    began = anyio.Event()

    async def wait_a_little(request: httpx.Request) -> httpx.Response:
        del request
        began.set()
        await anyio.sleep(1)
        return answer(code=1003, message="busy")

    service = Service(submit=wait_a_little)
    async with client_of(service, journal=journal, _leave_loop=inline) as client:
        async with anyio.create_task_group() as callers:
            callers.start_soon(lambda: client.submit(ROOM, key="a"))
            await began.wait()
            callers.cancel_scope.cancel()
        await anyio.sleep(600)
        assert len(service.submits) == 1
        assert (client.ledger.reserved, client.ledger.spent, client.ledger.unknown) == (0, 0, 0)
        assert await client.lookup("a") is None


async def test_what_never_left_is_in_no_journal(journal: Journal) -> None:
    """A refusal has a row and its reason; without a connection there is nothing to tell."""
    no_route = httpx.ConnectError("no route")
    no_route.__cause__ = httpcore.ConnectError("no route")
    service = Service(submit=[answer(code=9010, message="no"), no_route])
    async with client_of(service, journal=journal, retry=Retry(attempts=1), _leave_loop=inline) as client:
        for key in ("refused", "not sent"):
            with pytest.raises((ContentRejected, ConnectionFailed)):
                await client.submit(ROOM, key=key)
        assert [(entry.key, entry.state) for entry in journal.entries()] == [("refused", "refused")]
        assert not await client._knows("refused"), "it is sent again, so its pictures need a URL"


async def test_a_journal_that_cannot_confirm_lets_nothing_leave(journal: Journal) -> None:
    """The caller hears of it, and nothing is spent."""

    class Broken(Journal):
        _holds_for = 0.0

        def confirm(self, _: Any) -> Any:
            raise OSError(28, "no space left on device")

    service = Service(submit=answer(ID))
    journal.__class__ = Broken
    budget = Budget(100)
    async with client_of(service, journal=journal, budget=budget, _leave_loop=inline) as client:
        with pytest.raises(OSError, match="no space left"):
            await client.submit(ROOM, key="a")
    journal.__class__ = Journal
    assert service.submits == []
    assert budget.left == 100
    assert list(journal.entries()) == []


async def test_a_busy_journal_is_asked_again(journal: Journal) -> None:
    """When it says so; no place is held meanwhile."""
    from ideal_async import Busy

    asked: list[float] = []

    class Pausing(Journal):
        _holds_for = 0.0

        def confirm(self, intent: Any) -> Any:
            asked.append(anyio.current_time())
            return Busy(3.0) if len(asked) < 3 else super().confirm(intent)

    journal.__class__ = Pausing
    ids: list[int] = []
    async with client_of(Service(submit=answer(ID), look=look()), journal=journal, _leave_loop=inline) as client:
        begun = anyio.current_time()
        await client.submit(ROOM, key="a", on_submit=note_id(ids))
    journal.__class__ = Journal
    assert [round(at - begun) for at in asked] == [0, 3, 6]
    assert ids == [ID]


# Quiet moments


async def test_a_journal_may_tidy_up_when_it_is_asked_for_nothing(journal: Journal) -> None:
    """After a second, once; not after every write."""
    quiet: list[float] = []

    class Tidy(Journal):
        def idle(self) -> None:
            quiet.append(anyio.current_time())

    journal.__class__ = Tidy
    async with client_of(Service(submit=answer(ID), look=look()), journal=journal, _leave_loop=inline) as client:
        begun = anyio.current_time()
        for _ in range(4):
            await client.lookup("a")
            await anyio.sleep(0.5)
        await anyio.sleep(10)
        assert [at - begun for at in quiet] == [2.5]
    journal.__class__ = Journal


# Without a journal


async def test_lookup_without_a_journal_says_what_to_do() -> None:
    """A misuse, with the fix in its message."""
    async with client_of(Service()) as client:
        with pytest.raises(RuntimeError, match="lookup needs a journal: AsyncClient"):
            await client.lookup("a")


async def test_a_key_nobody_used_is_none(journal: Journal) -> None:
    """It costs nothing to ask."""
    async with client_of(Service(), journal=journal, _leave_loop=inline) as client:
        assert await client.lookup("a") is None


async def test_a_budget_since_no_time_zone_is_refused() -> None:
    """Whose midnight?"""
    with pytest.raises(ValueError, match="has no time zone"):
        Budget(10, datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
    with pytest.raises(TypeError, match="a budget is a whole number"):
        Budget(1.5)  # type: ignore[arg-type]


async def test_concurrent_fetches_of_one_task_share_a_look() -> None:
    """A hundred browsers ask for one order: one request."""
    service = Service(look=look())
    async with client_of(service) as client:
        seen: list[Any] = []

        async def fetch() -> None:
            seen.append(await client.fetch(ID))

        async with anyio.create_task_group() as callers:
            for _ in range(100):
                callers.start_soon(fetch)
    assert len(service.looks) == 1
    assert len({task.status for task in seen}) == 1
    assert len(seen) == 100


async def test_a_shared_look_goes_on_for_those_who_stay() -> None:
    """The first caller leaves; the second gets its answer."""

    async def slowly(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(5)
        return look()

    service = Service(look=slowly)
    async with client_of(service) as client, anyio.create_task_group() as callers:

        async def impatient() -> None:
            with anyio.move_on_after(1):
                await client.fetch(ID)

        callers.start_soon(impatient)
        await anyio.sleep(0.5)
        assert (await client.fetch(ID)).id == ID
    assert len(service.looks) == 1


def test_a_submission_can_be_compared() -> None:
    """It is a value."""
    one = Submission(1, "a", ROOM, paid=True)
    assert attrs.evolve(one, index=3) == Submission(1, "a", ROOM, paid=True, index=3)
