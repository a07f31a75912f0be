"""Every answer to a look and what becomes of the wait: the table that keeps a paid task from being lost."""

from typing import Any

import anyio
import httpx
import pytest
from fakes import ID, KEY, ROOM, Service, answer, client_of, look

from ideal_async import (
    ConnectionFailed,
    NotTheApi,
    Pacing,
    Retry,
    TaskFailed,
    TaskStatus,
    Unauthorized,
    UnexpectedAnswer,
    WaitTimeout,
)

pytestmark = pytest.mark.anyio

HTML = b"<html><title>Sign in</title></html>"
#: Answers of somebody in between: a portal, a gateway, a cache.
STRANGERS: list[httpx.Response] = [
    httpx.Response(200, content=HTML),
    httpx.Response(204),
    httpx.Response(200),
    httpx.Response(200, content=b'{"code": 0, "message": "success", "data": {"id"'),
    httpx.Response(200, json=[]),
    httpx.Response(302, headers={"Location": "https://portal.example/"}),
    *(httpx.Response(status, content=HTML) for status in (400, 401, 403, 404, 407, 418, 451)),
    httpx.Response(200, headers={"Content-Encoding": "br"}, content=HTML),
]


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_somebody_in_between_is_an_outage(stranger: httpx.Response, caplog: pytest.LogCaptureFixture) -> None:
    """It is ridden out like a dead network, and told once."""
    service = Service(look=[look(), *[stranger] * 6, look("Success")])
    async with client_of(service) as client:
        assert (await client.wait(ID)).succeeded
    assert len(service.requests) == 8
    assert caplog.text.count("answered in place of the API") == 1


async def test_an_outage_ends_with_the_patience_of_retry() -> None:
    """The error says who was there instead of the API, and which task it is about."""
    service = Service(look=[look(), httpx.Response(403, content=HTML, headers={"Server": "nginx"})])
    async with client_of(service, retry=Retry(outage=300)) as client:
        began = anyio.current_time()
        with pytest.raises(NotTheApi, match="Sign in") as caught:
            await client.wait(ID)
    assert (caught.value.task_id, caught.value.http_status, caught.value.answered_by) == (ID, 403, "nginx")
    assert 300 <= anyio.current_time() - began <= 400


@pytest.mark.parametrize(
    ("reply", "seconds"), [(httpx.Response(404, content=HTML), 60), (httpx.ReadError("lost"), 600)]
)
async def test_a_minute_is_enough_where_the_api_was_never_heard(reply: Any, seconds: float) -> None:
    """It is not an outage then, but a wrong base URL; a dead network is one."""
    async with client_of(Service(look=reply)) as client:
        began = anyio.current_time()
        with pytest.raises(ConnectionFailed):
            await client.wait(ID)
        assert seconds <= anyio.current_time() - began <= seconds + 100


async def test_the_api_was_heard_when_it_answered_anything() -> None:
    """An error of the API itself counts too."""
    service = Service(look=[answer(None, 1001), *[httpx.Response(404, content=HTML)] * 20, look("Success")])
    async with client_of(service) as client:
        assert (await client.wait(ID)).succeeded


async def test_the_warning_comes_back_when_the_trouble_does(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each time."""
    stranger = httpx.Response(403, content=HTML)
    service = Service(look=[look(), stranger, stranger, look(), stranger, stranger, look("Success")])
    async with client_of(service) as client:
        await client.wait(ID)
    assert caplog.text.count("answered in place of the API") == 2


# What was meant

VIDEO = {"resultUrl": f"https://cdn.example/{ID}.mp4", "cover": "https://cdn.example/c.jpg", "width": 1280}
DONE = {"id": ID, "status": "Success", "percentage": 100, "waitNumber": 0, "output": VIDEO}
ROUNDED = 1234567890123456800  # by JavaScript
RUNS = {**DONE, "status": "Processing", "percentage": 30, "output": None}


def any_of(*values: Any) -> tuple[Any, ...]:
    """Values of any type."""
    return values


ODD: list[dict[str, Any]] = [
    *({"percentage": value} for value in any_of("30%", "30.5", "", [], {}, True, "inf", "a third", 10**400)),
    *({"waitNumber": value} for value in any_of("", "none", [], 1.5, -1, None)),
    *(
        {"input": value}
        for value in any_of([], "room", 5, {"duration": "five"}, {"imageUrl": 5}, {"resolution": "x" * 999})
    ),
    *(
        {"id": value}
        for value in any_of(None, "", "task", 0, 1234567890123456800, "1234567890123456800", 1.2345678901234568e18)
    ),
    *({"status": value} for value in any_of(None, "", "Paused", 7, [], {"name": "Processing"})),
    {"eta": "soon", "raw": 5, "unknown": None},
]


@pytest.mark.parametrize("odd", ODD)
async def test_no_side_field_ends_a_wait(odd: dict[str, Any]) -> None:
    """Neither while a task runs nor at its end."""
    done = {**odd, **({"status": "Success"} if "status" in odd else {})}
    service = Service(look=[answer({**RUNS, **odd})] * 3 + [answer({**DONE, **done})])
    async with client_of(service) as client:
        task = await client.wait(ID)
    assert task.output is not None
    assert (task.id, task.status, task.output.result_url) == (ID, TaskStatus.SUCCESS, VIDEO["resultUrl"])
    assert len(service.requests) == 4


NOWHERE: list[Any] = [
    *(None, {}, [], "none", {"resultUrl": ""}, {"resultUrl": None}, {"resultUrl": "  "}, {"resultUrl": ["x"]}),
    *({"resultUrl": url} for url in ("/v.mp4", "//cdn.example/v.mp4", "v.mp4", "https://", "ftp://a/b", "https://[x")),
]


@pytest.mark.parametrize("output", NOWHERE)
@pytest.mark.parametrize("status", ["Success", "SUCCESS"])
async def test_success_without_a_usable_url_is_not_there_yet(output: Any, status: str) -> None:
    """It is looked at again for a minute; when the URL comes, the task has succeeded."""
    service = Service(look=[answer({**DONE, "status": status, "output": output})] * 5 + [answer(DONE)])
    async with client_of(service) as client:
        task = await client.wait(ID)
    assert task.output is not None
    assert task.output.result_url == VIDEO["resultUrl"]
    assert len(service.requests) == 6


@pytest.mark.parametrize("before", [[], [httpx.Response(502)] * 12])
async def test_a_url_that_never_comes_ends_the_wait_after_a_minute(before: list[httpx.Response]) -> None:
    """The error names what is missing, and the task, whose row stays open; earlier trouble does not count."""
    service = Service(look=[*before, answer({**DONE, "output": None})])
    async with client_of(service) as client:
        with pytest.raises(UnexpectedAnswer, match=r"required field missing @ \$\.data\.output\.resultUrl") as caught:
            await client.wait(ID)
    assert caught.value.task_id == ID
    late = service.times[len(before) :]
    assert 60 <= late[-1] - late[0] <= 100


@pytest.mark.parametrize("word", ["Cancelled", "CANCELED", "Expired", "error", "Timed Out", "time_out", " Rejected "])
async def test_a_word_that_means_an_end_is_one(word: str) -> None:
    """It promises no refund, so the credits stay counted as spent."""
    service = Service(submit=answer(ID), look=[answer(RUNS), answer({**RUNS, "status": word})])
    async with client_of(service) as client:
        with pytest.raises(TaskFailed, match="whether its credits come back is not known") as caught:
            await client.generate(ROOM)
        assert (client.ledger.spent, client.ledger.refunded) == (20, 0)
    assert (caught.value.refunded, caught.value.task_id) == (None, ID)
    assert len(service.requests) == 3


@pytest.mark.parametrize("reply", [answer({**RUNS, "status": "FAILED"}), answer(None, 9038, "prohibited")])
async def test_only_failed_and_prohibited_content_promise_a_refund(reply: httpx.Response) -> None:
    """The vendor's page says so of these."""
    async with client_of(Service(submit=answer(ID), look=reply)) as client:
        with pytest.raises(TaskFailed) as caught:
            await client.generate(ROOM)
        assert (client.ledger.spent, client.ledger.refunded) == (0, 20)
    assert caught.value.refunded is True


@pytest.mark.parametrize("status", ["Completed", None, "Ready", "Expired", 3])
async def test_an_unknown_status_has_succeeded_when_two_looks_show_its_result(status: Any) -> None:
    """The URL may be signed anew each time; the two looks keep their distance."""
    looks = [
        answer({**DONE, "status": status, "output": {"resultUrl": f"https://cdn.example/v.mp4?{n}"}}) for n in (1, 2)
    ]
    service = Service(look=[answer(RUNS), *looks])
    async with client_of(service) as client:
        task = await client.wait(ID)
    assert task.status is TaskStatus.SUCCESS
    assert task.output is not None
    assert task.output.result_url == "https://cdn.example/v.mp4?2"
    assert service.times[2] - service.times[1] == pytest.approx(5.0)


async def test_an_unknown_status_goes_on_while_its_result_changes_or_goes_away() -> None:
    """It was no result then."""
    one, two = ({**DONE, "status": "Ready", "output": {"resultUrl": f"https://cdn.example/{n}.mp4"}} for n in (1, 2))
    service = Service(look=[answer(look_) for look_ in (one, two, {**two, "output": None}, two, one, one)])
    async with client_of(service) as client:
        assert (await client.wait(ID)).succeeded
    assert len(service.requests) == 6


@pytest.mark.parametrize("output", [None, {"resultUrl": "/v.mp4"}])
async def test_an_unknown_status_without_a_result_runs_on(output: Any) -> None:
    """However long; the caller's deadline is its end."""
    async with client_of(Service(look=answer({**DONE, "status": "Paused", "output": output}))) as client:
        with pytest.raises(WaitTimeout):
            await client.wait(ID, timeout=3600)


@pytest.mark.parametrize("word", ["CANCELED_BY_USER", "FAILED_TIMEOUT", "Cancel failed", "Stopping"])
async def test_words_that_are_put_together_are_no_end(word: str, caplog: pytest.LogCaptureFixture) -> None:
    """After a cancel that failed a task runs: the log names the word once, and what ends the wait."""
    async with client_of(Service(look=answer({**RUNS, "status": word}))) as client:
        with pytest.raises(WaitTimeout):
            await client.wait(ID, timeout=3600)
    (warning,) = (record.getMessage() for record in caplog.records if "status" in record.getMessage())
    assert warning.startswith(f"unknown task status {word!r}: taken for a running task.")
    assert warning.endswith("waits end by their timeout only")


@pytest.mark.parametrize("other", [77, "77", ID + 1, ID - 1, 5.0])
async def test_another_tasks_answer_is_none(other: Any) -> None:
    """Believed the third time, as any answer that breaks the contract."""
    service = Service(look=answer({**DONE, "id": other}))
    async with client_of(service) as client:
        with pytest.raises(UnexpectedAnswer, match="another task's id"):
            await client.wait(ID)
    assert len(service.requests) == 3


async def test_odd_statuses_and_kinds_are_not_kept_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """They come from outside: a service that invents one for each look fills no memory and no log."""
    looks = [
        answer({**RUNS, "id": n, "status": f"odd {n}", "input": {"resolution": f"{n}p", "duration": 5}})
        for n in range(1, 81)
    ]
    service = Service(look=lambda request: looks[int(request.url.params["taskId"]) - 1])
    async with client_of(service) as client, anyio.create_task_group() as waits:
        for task_id in range(1, 81):
            waits.start_soon(client.wait, task_id)
        await anyio.sleep(30)
        assert len(client._poller._odd_statuses) <= 64
        assert len(client._poller._forecast._kinds) <= 66
        waits.cancel_scope.cancel()
    assert caplog.text.count("unknown task status") == 64


# Who asks

REFUSED = answer(None, 5002, f"Invalid API Key: {KEY}")
PACING = Pacing(min_interval=5.0)


class Counted:
    """Says that the key is wrong to the looks of these numbers, and shows running tasks to the others."""

    def __init__(self, wrong: set[int]) -> None:
        self.looks: list[tuple[float, int]] = []
        self._wrong = wrong
        self.doubted = anyio.Event()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer a look."""
        task_id = int(request.url.params["taskId"])
        self.looks.append((anyio.current_time(), task_id))
        if len(self.looks) not in self._wrong:
            return look("Processing", task_id)
        self.doubted.set()
        return REFUSED


async def test_a_single_wrong_key_pauses_all_looks_and_ends_none() -> None:
    """One task is looked at alone, `min_interval` later; when that goes well, the others go on."""
    service = Counted({21})
    async with client_of(Service(look=service), pacing=PACING) as client, anyio.create_task_group() as waits:
        for task_id in range(1, 11):
            waits.start_soon(client.wait, task_id)
        await anyio.sleep(600)
        assert len(client._poller) == 10
        waits.cancel_scope.cancel()
    doubted, first = service.looks[20]
    later = [(when, task_id) for when, task_id in service.looks if when > doubted + 0.01]  # some were on their way
    when, whose = later[0]
    assert when == pytest.approx(doubted + 5.0)
    assert whose == first
    assert {task_id for _, task_id in later} == set(range(1, 11))


async def test_a_second_wrong_key_ends_all_waits() -> None:
    """The key is everybody's; and nobody else asked meanwhile."""
    service = Counted(set(range(21, 1000)))
    errors: list[Unauthorized] = []

    async def wait(task_id: int) -> None:
        with pytest.raises(Unauthorized) as caught:
            await client.wait(task_id)
        errors.append(caught.value)

    async with client_of(Service(look=service), pacing=PACING) as client, anyio.create_task_group() as waits:
        for task_id in range(1, 11):
            waits.start_soon(wait, task_id)
    assert sorted(error.task_id or 0 for error in errors) == list(range(1, 11))
    doubted, first = service.looks[20]
    later = [(when, task_id) for when, task_id in service.looks if when > doubted + 0.01]  # some were on their way
    ((when, whose),) = later
    assert when == pytest.approx(doubted + 5.0)
    assert whose == first
    assert not any(KEY in str(error) for error in errors)


@pytest.mark.parametrize("reply", [httpx.ReadError("lost"), httpx.Response(502), answer(None, 1001)])
async def test_anything_but_a_second_wrong_key_resumes(reply: Any) -> None:
    """A gateway that lost its keys for a moment loses the network too."""
    service = Service(look=[look(), REFUSED, reply, look("Success")])
    async with client_of(service) as client:
        assert (await client.wait(ID)).succeeded
    assert len(service.requests) == 4


async def test_when_the_task_that_is_looked_at_alone_is_left_another_takes_its_place() -> None:
    """Whoever else waits is not forgotten, and when nobody does, whoever comes next is looked at as ever."""
    service = Counted({3})
    async with client_of(Service(look=service), pacing=PACING) as client, anyio.create_task_group() as waits:
        scopes = {}
        for task_id in (1, 2):
            scopes[task_id] = anyio.CancelScope()

            async def wait(task_id: int = task_id) -> None:
                with scopes[task_id]:
                    await client.wait(task_id)

            waits.start_soon(wait)
        await service.doubted.wait()
        await anyio.sleep(1)
        checked = client._poller._checked
        assert checked is not None
        scopes[checked].cancel()
        await anyio.sleep(60)
        assert {task_id for _, task_id in service.looks[3:]} == {3 - checked}
        waits.cancel_scope.cancel()


async def test_a_wrong_key_that_is_left_is_forgotten() -> None:
    """Nobody waits any more: the next one begins anew."""
    service = Counted({1})
    async with client_of(Service(look=service)) as client:
        async with anyio.create_task_group() as waits:
            waits.start_soon(client.wait, 1)
            await service.doubted.wait()
            await anyio.sleep(1)
            assert client._poller._checked == 1
            waits.cancel_scope.cancel()
        assert client._poller._checked is None
        with anyio.move_on_after(60):
            await client.wait(2)
    assert [task_id for _, task_id in service.looks[:2]] == [1, 2]


async def test_a_submit_ends_at_the_first_wrong_key() -> None:
    """It is answered, and whoever asked can mend the key."""
    service = Service(submit=REFUSED)
    async with client_of(service) as client:
        with pytest.raises(Unauthorized):
            await client.submit(ROOM)
    assert len(service.requests) == 1
