"""One call, one answer: what is sent, what is known when nothing usable comes back, and who slows down."""

import json
import logging
import socket
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc
import attrs
import httpx
import pytest
from fakes import (
    BASE_URL,
    GENERATE,
    HALF_READ,
    ID,
    KEY,
    RESULT,
    Service,
    answer,
    envelope,
    http,
    look,
    loopback,
    read_request,
)

from ideal_async import (
    ApiError,
    ConnectionFailed,
    InvalidRequest,
    JournalFailed,
    NotTheApi,
    OutOfCredits,
    RequestFailed,
    Retry,
    ServerError,
    Task,
    TaskFailed,
    TaskStatus,
    Unauthorized,
)
from ideal_async._credentials import check_api_key, check_base_url
from ideal_async._retry import Failure, Sent
from ideal_async._session import Session
from ideal_async._transports import Trace, Transports, sent_nothing
from ideal_async._wire import LARGEST_ANSWER

BODY = {"imageUrl": "https://example.com/room.jpg", "duration": 5, "resolution": "720p", "prompt": "Grüße 🏠"}


def session_of(
    transport: httpx.AsyncBaseTransport | httpx.AsyncClient, base_url: str = BASE_URL, **more: Any
) -> Session:
    transports = (
        Transports.of_client(transport)
        if isinstance(transport, httpx.AsyncClient)
        else Transports.of_transport(transport)
    )
    more = {"requests_at_once": 10, "retry": Retry(), **more}
    return Session(api_key=KEY, base_url=check_base_url(base_url), transports=transports, **more)


def ignore(on_the_wire: bool) -> None:
    """Nobody wants to know."""


async def write_body() -> dict[str, Any]:
    return BODY


async def go() -> None:
    """Nothing speaks against it."""


async def submit(session: Session, on_wire: Callable[[bool], None] = ignore) -> int | Failure:
    return await session.submit(write_body, confirm=go, on_wire=on_wire)


# What is sent


@pytest.mark.anyio
@pytest.mark.parametrize("base_url", [BASE_URL, f"{BASE_URL}/"])
async def test_a_submit_is_the_pages_post(base_url: str) -> None:
    """Path, header and body; UTF-8 as it is."""
    service = Service(submit=answer(ID))
    assert await submit(session_of(service, base_url)) == ID
    (request,) = service.requests
    assert (request.method, str(request.url)) == ("POST", f"{BASE_URL}{GENERATE}")
    assert request.headers["APIKEY"] == KEY
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Accept"] == "application/json"
    assert service.submits == [BODY]
    assert "Grüße 🏠".encode() in request.content


@pytest.mark.anyio
async def test_a_look_is_the_pages_get() -> None:
    """Path, header and query; nothing else."""
    service = Service(look=look(percentage=30))
    task = await session_of(service).look(ID)
    assert isinstance(task, Task)
    assert (task.id, task.status, task.percentage) == (ID, TaskStatus.PROCESSING, 30)
    (request,) = service.requests
    assert (request.method, str(request.url)) == ("GET", f"{BASE_URL}{RESULT}?taskId={ID}")
    assert request.headers["APIKEY"] == KEY
    assert request.content == b""


@pytest.mark.anyio
async def test_a_base_url_may_have_a_path() -> None:
    """Company gateways put the API under one."""
    service = Service()
    with pytest.raises(AssertionError, match=f"/ideal{GENERATE}"):
        await service.handle_async_request(httpx.Request("POST", f"{BASE_URL}/ideal{GENERATE}"))
    await submit(session_of(service, f"{BASE_URL}/ideal/"))
    assert service.requests[-1].url.path == f"/ideal{GENERATE}"


@pytest.mark.anyio
async def test_every_request_has_its_timeouts() -> None:
    """Whatever the http client's own are."""
    service = Service(submit=answer(ID), look=look())
    session = session_of(httpx.AsyncClient(transport=service, timeout=1.0))
    await submit(session)
    await session.look(ID)
    assert [request.extensions["timeout"] for request in service.requests] == [
        {"connect": 10.0, "read": 60.0, "write": 10.0, "pool": 10.0},
        {"connect": 10.0, "read": 30.0, "write": 10.0, "pool": 10.0},
    ]


# What is known when nothing usable comes back, on real sockets


async def hang_up(stream: anyio.abc.SocketStream) -> None:
    """Close without reading a byte: the request may lie in a buffer."""


async def reset(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - no Django here
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


async def no_answer(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)


def say(content: bytes) -> Callable[[anyio.abc.SocketStream], Awaitable[None]]:
    async def serve(stream: anyio.abc.SocketStream) -> None:
        await read_request(stream)
        await stream.send(content)

    return serve


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
@HALF_READ
@pytest.mark.parametrize(
    "serve",
    [
        hang_up,
        reset,
        no_answer,
        say(b"\x16\x03\x01 nonsense"),
        say(b"HTTP/1.1 200 OK\r\n"),
        say(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"code": 0, "data": 12345'),
        say(http(b'{"code": 0', "200 OK")),
        say(http(b"<html>Bad Gateway</html>", "502 Bad Gateway")),
        say(http(b"not gzip", Content_Encoding="gzip")),
    ],
)
async def test_a_request_that_may_have_been_received_is_sent_once(
    serve: Callable[[anyio.abc.SocketStream], Awaitable[None]],
) -> None:
    """Whatever becomes of its connection: over real sockets, with httpcore's real errors."""
    connections = 0

    async def count(stream: anyio.abc.SocketStream) -> None:
        nonlocal connections
        connections += 1
        await serve(stream)

    async with loopback(count) as base_url, httpx.AsyncClient() as client:
        failure = await submit(session_of(client, base_url, retry=Retry(wait_initial=0.0)))
    assert isinstance(failure, Failure)
    assert (failure.sent, connections) == (Sent.MAYBE, 1)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_a_refused_connection_is_tried_again_and_then_told() -> None:
    """Nothing was sent, five times."""
    marks: list[bool] = []
    async with httpx.AsyncClient() as client:
        session = session_of(client, f"http://127.0.0.1:{closed_port()}", retry=Retry(wait_initial=0.0))
        failure = await submit(session, on_wire=marks.append)
    assert isinstance(failure, Failure)
    assert failure.sent is Sent.NO
    assert isinstance(failure.error, ConnectionFailed)
    assert marks == [True, False] * 4 + [True]


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_a_service_that_comes_up_late_gets_one_request() -> None:
    """The repetition that gets through is the only one that was received."""
    port = closed_port()
    received: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        received.append(await read_request(stream))
        await stream.send(http(b'{"code":0,"data":7}'))

    async def come_up() -> None:
        async with loopback(serve, port):
            await anyio.sleep_forever()

    class Retries(Retry):
        """Starts the service when the first attempt has failed."""

        def pause(self, **_: Any) -> float:
            tasks.start_soon(come_up)
            return 0.05

    async with anyio.create_task_group() as tasks, httpx.AsyncClient() as client:
        assert await submit(session_of(client, f"http://127.0.0.1:{port}", retry=Retries())) == 7
        tasks.cancel_scope.cancel()
    assert len(received) == 1


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_no_connection_in_the_pool_means_not_sent() -> None:
    """`PoolTimeout`, as httpcore raises it."""
    held = anyio.Event()

    async def hold(stream: anyio.abc.SocketStream) -> None:
        await read_request(stream)
        held.set()
        await anyio.sleep_forever()

    timeout = httpx.Timeout(5.0, pool=0.01)
    async with (
        loopback(hold) as url,
        httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=timeout) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.get, url)
        await held.wait()
        with pytest.raises(httpx.PoolTimeout) as caught:
            await client.post(url)
        tasks.cancel_scope.cancel()
    assert sent_nothing(httpx.AsyncHTTPTransport(), caught.value, Trace())


async def speak_plainly(stream: anyio.abc.SocketStream) -> None:
    await stream.receive()
    await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
async def test_no_answer_to_a_handshake_means_not_sent() -> None:
    """`ConnectTimeout` of TCP, and `ConnectError` of a TLS handshake with something else."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # a full backlog: further connections are left hanging
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        async with httpx.AsyncClient(timeout=httpx.Timeout(5.0, connect=0.05)) as client:
            with pytest.raises(httpx.ConnectTimeout) as timeout:
                await client.post(f"http://127.0.0.1:{port}")
        for one in waiting:
            one.close()
    async with loopback(speak_plainly) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError) as refused:
            await client.post(url.replace("http:", "https:"))
    for error in (timeout.value, refused.value):
        assert sent_nothing(httpx.AsyncHTTPTransport(), error, Trace())


# Answers


@pytest.mark.anyio
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (1001, RequestFailed),
        (1011, InvalidRequest),
        (5002, Unauthorized),
        (9051, OutOfCredits),
        (7777, ApiError),
    ],
)
async def test_a_refusal_is_told_at_once(code: int, cls: type[ApiError], status: int) -> None:
    """One request, answered; nothing was created."""
    service = Service(submit=answer(None, code, "no", status=status))
    failure = await submit(session_of(service))
    assert isinstance(failure, Failure)
    assert (type(failure.error), failure.sent, len(service.requests)) == (cls, Sent.ANSWERED, 1)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "refusal", [answer(None, 1003), answer(None, 1003, status=500), answer(status=429, code=429), httpx.Response(429)]
)
async def test_a_refusal_that_passes_is_sent_again(refusal: httpx.Response) -> None:
    """Internal error and too many requests: the vendor says retry, and an error answer creates nothing."""
    service = Service(submit=[refusal, refusal, answer(ID)])
    assert await submit(session_of(service)) == ID
    assert len(service.requests) == 3


@pytest.mark.anyio
async def test_a_service_that_stays_broken_is_told_after_some_attempts() -> None:
    """The last answer is the error."""
    service = Service(submit=answer(None, 1003, "Internal server error", status=500))
    failure = await submit(session_of(service, retry=Retry(attempts=4)))
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, ServerError)
    assert (failure.error.code, failure.sent, len(service.requests)) == (1003, Sent.ANSWERED, 4)


@HALF_READ
@pytest.mark.anyio
@pytest.mark.parametrize(
    "strange",
    [
        answer(None),
        answer("12a"),
        answer(1.5e18),
        answer(0),
        answer({"taskId": ID}),
        httpx.Response(200, html="<title>Sign in</title>"),
        httpx.Response(200, content=b'{"code": 0, "data": 1234'),
        httpx.Response(200),
        httpx.Response(204),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(502, html="bad gateway"),
        httpx.Response(504, json={"code": 504, "message": "upstream timed out"}),
        httpx.Response(200, content=b"{" + b" " * LARGEST_ANSWER + b'"code": 0, "data": 7}'),
    ],
)
async def test_an_answer_to_a_submit_that_is_neither_id_nor_error_is_in_doubt(strange: httpx.Response) -> None:
    """A task may have been created, so it is never sent again."""
    service = Service(submit=strange)
    failure = await submit(session_of(service))
    assert isinstance(failure, Failure)
    assert (failure.sent, len(service.requests)) == (Sent.MAYBE, 1)


@pytest.mark.anyio
async def test_an_id_may_come_as_a_string() -> None:
    """As gateways for JavaScript send it."""
    assert await submit(session_of(Service(submit=answer(str(2**63 - 1))))) == 2**63 - 1


@pytest.mark.anyio
async def test_the_key_does_not_follow_a_redirect() -> None:
    """Not even when the user's own client follows them: httpx would carry the header to another origin."""
    service = Service(
        submit=httpx.Response(307, headers={"Location": "https://thief.example/"}),
        look=httpx.Response(302, headers={"Location": "https://thief.example/"}),
        file=look(),
    )
    session = session_of(httpx.AsyncClient(transport=service, follow_redirects=True))
    await submit(session)
    outcome = await session.look(ID)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, NotTheApi)
    assert {request.url.host for request in service.requests} == {"api.example"}


@HALF_READ
@pytest.mark.anyio
async def test_an_answer_is_read_up_to_a_limit() -> None:
    """An endless one does not fill the memory."""
    read = 0

    class Endless(httpx.AsyncByteStream):
        """A gateway gone wrong."""

        closed = False

        async def __aiter__(self) -> Any:
            nonlocal read
            while True:
                read += 1
                yield b"x" * 65536

        async def aclose(self) -> None:
            self.closed = True

    stream = Endless()

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=stream)

    outcome = await session_of(httpx.MockTransport(respond)).look(ID)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, NotTheApi)
    assert outcome.error.excerpt.startswith(f"(more than {LARGEST_ANSWER} bytes) ")
    assert read == LARGEST_ANSWER // 65536 + 1
    assert stream.closed


@pytest.mark.anyio
@pytest.mark.parametrize(("call", "limit"), [("submit", 90.0), ("look", 45.0)])
async def test_a_call_ends_however_slowly_its_answer_drips_in(call: str, limit: float) -> None:
    """Each byte comes in time, and all of them never."""

    class Drip(httpx.AsyncByteStream):
        """A byte every ten seconds."""

        async def __aiter__(self) -> Any:
            while True:
                await anyio.sleep(10)
                yield b" "

    async def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Drip())

    session = session_of(httpx.MockTransport(respond))
    began = anyio.current_time()
    outcome = await (submit(session) if call == "submit" else session.look(ID))
    assert anyio.current_time() - began == limit
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, ConnectionFailed)
    assert outcome.sent is Sent.MAYBE


@pytest.mark.anyio
async def test_a_look_that_answers_prohibited_content_is_a_failed_task() -> None:
    """9038 comes in place of the task, so there is none to show."""
    outcome = await session_of(Service(look=answer(None, 9038, "prohibited"))).look(ID)
    assert isinstance(outcome, Failure)
    assert isinstance(outcome.error, TaskFailed)
    assert (outcome.error.task_id, outcome.error.task, outcome.error.reason) == (ID, None, "prohibited")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "reply", [answer(None, 1011), answer({}), httpx.Response(200), httpx.Response(503), httpx.ReadError("lost")]
)
async def test_whatever_goes_wrong_with_a_look_names_its_task(reply: Any) -> None:
    """So that the id is in the exception, whoever catches it."""
    outcome = await session_of(Service(look=reply)).look(ID)
    assert isinstance(outcome, Failure)
    assert outcome.error.task_id == ID


# Looking again


@pytest.mark.anyio
@pytest.mark.parametrize(
    "trouble", [httpx.ReadError("lost"), httpx.Response(503), answer(None, 1003), answer(None, 1001)]
)
async def test_a_single_look_is_repeated_over_a_hiccup(trouble: Any) -> None:
    """It costs nothing."""
    service = Service(look=[trouble, trouble, look("Success")])
    task = await session_of(service).look_again(ID)
    assert isinstance(task, Task)
    assert task.succeeded


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("trouble", "looks"),
    [
        (httpx.ReadError("lost"), 5),
        (answer(None, 1001), 3),
        (httpx.Response(200), 5),
        (answer(None, 5002), 1),
        (answer(None, 1011), 1),
        (answer(None, 9038), 1),
    ],
)
async def test_a_single_look_gives_up_soon(trouble: Any, looks: int) -> None:
    """Somebody waits for this one; only a wait rides out an outage."""
    service = Service(look=trouble)
    outcome = await session_of(service).look_again(ID)
    assert isinstance(outcome, Failure)
    assert len(service.requests) == looks


# The brake


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("reply", "pause"),
    [
        (answer(status=429, code=429, **{"Retry-After": "7"}), 7.0),
        (answer(status=200, code=1003, **{"Retry-After": "7"}), 7.0),
        (httpx.Response(503, headers={"Retry-After": "7"}), 7.0),
        (httpx.Response(429, headers={"Retry-After": "86400"}), 120.0),
    ],
)
async def test_one_request_told_to_slow_down_slows_all_of_them(reply: httpx.Response, pause: float) -> None:
    """Looks and submits, for as long as the API asks, within reason."""
    service = Service(look=[reply, look()], submit=answer(ID))
    session = session_of(service)
    await session.look(1)
    told = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for task_id in (2, 3):
            tasks.start_soon(session.look, task_id)
        tasks.start_soon(submit, session)
    assert [time - told for time in service.times[1:]] == [pause] * 3


@pytest.mark.anyio
async def test_the_brake_holds_those_who_wait_for_a_slot_too() -> None:
    """They asked before anybody knew."""
    gate, told = anyio.Event(), 0.0

    async def respond(request: httpx.Request) -> httpx.Response:
        nonlocal told
        if request.url.params["taskId"] == "1":
            await gate.wait()
            told = anyio.current_time()
            return httpx.Response(429, headers={"Retry-After": "9"})
        return look()

    service = Service(look=respond)
    session = session_of(service, requests_at_once=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.look, 1)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(session.look, 2)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert service.times[1] == told + 9.0


@pytest.mark.anyio
@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "\u0667"])
async def test_without_a_number_of_seconds_the_brake_grows_by_itself(retry_after: str) -> None:
    """And a good answer takes it off again."""
    refusal = httpx.Response(429, headers=[(b"Retry-After", retry_after.encode())])
    service = Service(look=[refusal, refusal, refusal, look(), refusal, look()])
    session = session_of(service)
    for _ in range(6):
        await session.look(ID)
    pauses = [later - earlier for earlier, later in zip(service.times, service.times[1:], strict=False)]
    for pause, longest in zip(pauses, (1.0, 2.0, 4.0, 0.0, 1.0), strict=True):
        assert longest / 2 <= pause <= longest


@pytest.mark.anyio
async def test_a_later_short_wish_does_not_shorten_a_longer_brake() -> None:
    """Two looks were on their way; the first was asked for a minute, the second for a second."""
    asked = {"1": "60", "2": "1"}

    async def respond(request: httpx.Request) -> httpx.Response:
        number = request.url.params["taskId"]
        if number not in asked:
            return look()
        await anyio.sleep(float(number))
        return httpx.Response(429, headers={"Retry-After": asked[number]})

    service = Service(look=respond)
    session = session_of(service)
    async with anyio.create_task_group() as tasks:
        for task_id in (1, 2):
            tasks.start_soon(session.look, task_id)
    assert anyio.current_time() == service.times[0] + 2
    await session.look(3)
    assert service.times[2] == pytest.approx(service.times[0] + 1 + 60)


@pytest.mark.anyio
async def test_a_brake_that_is_put_on_again_meanwhile_is_heeded_again() -> None:
    """Whoever waits for its end looks once more before going."""
    asked = {"1": (1.0, "5"), "2": (4.0, "20")}

    async def respond(request: httpx.Request) -> httpx.Response:
        number = request.url.params["taskId"]
        if number not in asked:
            return look()
        after, seconds = asked[number]
        await anyio.sleep(after)
        return httpx.Response(429, headers={"Retry-After": seconds})

    service = Service(look=respond)
    session = session_of(service)
    async with anyio.create_task_group() as tasks:
        for task_id in (1, 2):
            tasks.start_soon(session.look, task_id)
        await anyio.sleep(2)
        tasks.start_soon(session.look, 3)  # braked until second 6, and then until second 24
    assert service.times[2] == pytest.approx(service.times[0] + 4 + 20)


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["0", "0.0", "Wed, 21 Oct 2015 07:28:00 GMT"])
async def test_a_wish_for_no_pause_is_no_reason_to_hurry(value: str) -> None:
    """Our own backoff is the floor: five POSTs, not a hundred in no time."""
    service = Service(submit=answer(None, 429, status=429, **{"Retry-After": value}))
    session = session_of(service)
    await submit(session)
    pauses = [later - earlier for earlier, later in zip(service.times, service.times[1:], strict=False)]
    assert len(pauses) == 4
    for pause, longest in zip(pauses, (0.5, 1.0, 2.0, 4.0), strict=True):
        assert longest / 2 <= pause


@pytest.mark.anyio
async def test_a_date_is_waited_for_by_the_clock_that_wrote_it() -> None:
    """The answer's own `Date`, whatever ours says; and fractions count."""
    dated = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:29:00 GMT"}
    for headers, seconds in ((dated, 60.0), ({"Retry-After": "59.97"}, 59.97)):
        service = Service(look=[httpx.Response(429, headers=headers), look()])
        session = session_of(service)
        await session.look(1)
        await session.look(2)
        assert service.times[1] - service.times[0] == pytest.approx(seconds)


@pytest.mark.anyio
async def test_an_error_that_asks_for_nothing_slows_nobody() -> None:
    """A wrong id is no reason to brake."""
    service = Service(look=[answer(None, 1011), look()])
    session = session_of(service)
    await session.look(1)
    await session.look(2)
    assert service.times[0] == service.times[1]


# Who goes when


@pytest.mark.anyio
async def test_a_slot_may_be_asked_for_in_the_moment_it_is_given_back() -> None:
    """While others wait: until anyio 4.15 there is a free token then that nobody may take."""

    async def respond(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(1)
        return look(task_id=int(request.url.params["taskId"]))

    session, seen = session_of(httpx.MockTransport(respond), requests_at_once=1), list[int]()

    async def look_at(*task_ids: int) -> None:
        for task_id in task_ids:
            assert isinstance(await session.look(task_id), Task)
            seen.append(task_id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look_at, 1, 4)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(look_at, 2)
        tasks.start_soon(look_at, 3)
    assert sorted(seen) == [1, 2, 3, 4]


@pytest.mark.anyio
async def test_no_more_requests_at_once_than_agreed() -> None:
    """Held until the body is read, so that the pool never queues."""
    running, most = 0, 0

    class Slow(httpx.AsyncByteStream):
        """The body is the slow part."""

        async def __aiter__(self) -> Any:
            nonlocal running
            await anyio.sleep(1)
            running -= 1
            yield b"{}"

    async def respond(_: httpx.Request) -> httpx.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        return httpx.Response(200, stream=Slow())

    session = session_of(httpx.MockTransport(respond), requests_at_once=3)
    async with anyio.create_task_group() as tasks:
        for task_id in range(10):
            tasks.start_soon(session.look, task_id)
    assert (running, most) == (0, 3)


@pytest.mark.anyio
async def test_few_submits_are_in_doubt_at_a_time() -> None:
    """One until the API has answered one, and again after a doubt; then four, or fewer if fewer are allowed at all."""
    replies: list[Any] = [
        answer(None, 1011),
        httpx.ReadError("lost"),
        httpx.Response(404),
        answer(ID),
        httpx.Response(502),
    ]
    for requests_at_once, most in ((10, 4), (2, 2), (1, 1)):
        session = session_of(Service(submit=replies), requests_at_once=requests_at_once)
        slots = [session.post_slots.total_tokens]
        for _ in replies:
            await submit(session)
            slots.append(session.post_slots.total_tokens)
        assert slots == [1, most, 1, 1, most, 1]


@pytest.mark.anyio
async def test_a_submit_on_its_way_is_not_torn_in_two() -> None:
    """Cancellation counts only while nothing was sent."""
    gate = anyio.Event()
    marks: list[bool] = []

    async def respond(_: httpx.Request) -> httpx.Response:
        await gate.wait()
        return answer(ID)

    service = Service(submit=respond)
    session = session_of(service)
    result: list[int | Failure] = []

    async def run() -> None:
        result.append(await submit(session, on_wire=marks.append))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        gate.set()
    assert (result, marks) == ([ID], [True])


@pytest.mark.anyio
async def test_a_submit_between_two_attempts_can_be_withdrawn() -> None:
    """Then nothing is on the wire."""
    service = Service(submit=answer(None, 1003))
    marks: list[bool] = []
    session = session_of(service, retry=Retry(wait_initial=10, wait_max=10))
    with anyio.move_on_after(3):
        await submit(session, on_wire=marks.append)
    assert (len(service.requests), marks) == (1, [True, False])


@pytest.mark.anyio
async def test_a_look_can_be_cancelled() -> None:
    """It spends nothing."""

    async def hang(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    began = anyio.current_time()
    with anyio.move_on_after(3):
        await session_of(Service(look=hang)).look(ID)
    assert anyio.current_time() - began == 3


@pytest.mark.anyio
async def test_a_closed_http_client_sends_nothing() -> None:
    """And nobody is told that it may have."""
    client = httpx.AsyncClient(transport=Service())
    await client.aclose()
    failure = await submit(session_of(client))
    assert isinstance(failure, Failure)
    assert failure.sent is Sent.NO


# The key


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_the_fix_is_named(key: str | None) -> None:
    """Both ways to give one."""
    with pytest.raises(ValueError, match=r"pass api_key=\.\.\., or set IDEAL_HOUSE_API_KEY"):
        check_api_key(key)


@pytest.mark.parametrize("key", ["secret\n", " secret", "secret\t", "sec\nret", "schlüssel", "secret\x00", "\x7f"])
def test_a_key_that_cannot_be_a_header_is_refused_and_not_repeated(key: str) -> None:
    """The usual one has the line break of its file at its end."""
    with pytest.raises(ValueError, match="cannot be in a header") as caught:
        check_api_key(key)
    assert key.strip() not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.ideal.house",
        "https://gateway.example/ideal/v2/",
        "http://127.0.0.1:8000",
        "http://127.9.9.9",
        "http://localhost:8000/",
        "http://sandbox.localhost",
        "http://[::1]:8000",
    ],
)
def test_a_base_url_that_keeps_the_key_safe_is_taken(url: str) -> None:
    """TLS, or this machine."""
    assert str(check_base_url(url)) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.ideal.house",
        "http://192.168.1.5:8000",
        "http://localhost.example",
        "http://0.0.0.0",
        "http://[::2]",
        "http://127.1",
    ],
)
def test_the_key_does_not_travel_in_clear_text(url: str) -> None:
    """Over plain http everyone on the way can read it."""
    with pytest.raises(ValueError, match="base_url must be https"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.ideal.house",
        "ftp://api.ideal.house",
        "https://",
        "https://u:p@a.example",
        "https://a.example/?a=1",
        "https://a.example/#f",
        "https://a.example:x",
    ],
)
def test_a_broken_base_url_is_refused_with_an_example(url: Any) -> None:
    """Before anything is sent anywhere."""
    with pytest.raises(ValueError, match="base_url"):
        check_base_url(url)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "reply",
    [
        answer(None, 5002, f"Invalid API Key: {KEY}", status=401),
        answer(None, 7777, f"{KEY} has no access"),
        httpx.ReadError(f"lost while sending {KEY}"),
        ValueError(f"bad header {KEY}"),
        httpx.Response(200, text=KEY),
    ],
)
async def test_the_key_is_in_no_message(reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Even when a service or a transport repeats it."""
    caplog.set_level(logging.DEBUG, "ideal_async")
    session = session_of(Service(submit=reply, look=reply), retry=Retry(attempts=1))
    for outcome in (await submit(session), await session.look(ID)):
        assert isinstance(outcome, Failure)
        assert KEY not in repr(outcome) + str(outcome.error) + repr(outcome.error.__dict__)
    assert KEY not in repr(session) + repr(vars(session)) + caplog.text


def circle() -> Exception:
    """An error that is its own cause, at one remove: some mocking tools make such."""
    error, other = httpx.ReadError(f"lost {KEY}"), ValueError("broken")
    error.__cause__, other.__cause__ = other, error
    return error


def group() -> Exception:
    return ExceptionGroup("several", [ValueError(f"bad {KEY}"), KeyError("another")])


def group_of_os_errors() -> Exception:
    return ExceptionGroup("several", [OSError(5, f"broken {KEY}")])


def noted() -> Exception:
    error = httpx.ReadError("lost")
    error.add_note(f"while sending {KEY}")
    error.__cause__ = ValueError(f"Illegal header value {KEY.encode()!r}", KEY.encode(), [KEY])
    return error


class Stubborn(Exception):
    """Says the key whatever its arguments are."""

    def __str__(self) -> str:
        """Say it."""
        return f"broken {KEY}"


def stubborn() -> Exception:
    error = httpx.ReadError("lost")
    error.__context__ = Stubborn()
    return error


@attrs.frozen
class Frozen(Exception):
    """Can be given no other arguments."""

    what: str


class Speechless(Exception):
    """Cannot be asked for its words."""

    def __str__(self) -> str:
        """Fail."""
        raise ZeroDivisionError


def frozen() -> Exception:
    error = httpx.ReadError("lost")
    error.__cause__ = Frozen(f"broken {KEY}")
    return error


@pytest.mark.anyio
async def test_an_exception_without_words_is_told_by_its_name() -> None:
    """Whatever a transport raises is only a request that brought nothing."""
    error = Speechless()
    error.__cause__ = Speechless()
    outcome = await submit(session_of(Service(submit=error)))
    assert isinstance(outcome, Failure)
    assert str(outcome.error) == "the API could not be reached (Speechless)"


@pytest.mark.anyio
@pytest.mark.parametrize("broken", [circle, group, group_of_os_errors, noted, stubborn, frozen])
async def test_the_key_is_in_no_traceback(broken: Callable[[], Exception]) -> None:
    """Not in a cause, a context, a note or a group; and a circle ends."""
    for outcome in (
        await submit(session_of(Service(submit=broken()))),
        await session_of(Service(look=broken())).look(ID),
    ):
        assert isinstance(outcome, Failure)
        assert "lost" in str(outcome.error) or "several" in str(outcome.error)
        shown = "".join(traceback.format_exception(outcome.error))
        assert KEY not in shown
        assert "<API key>" in shown or broken is group_of_os_errors


@pytest.mark.anyio
async def test_the_key_is_in_no_answer_that_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """The far side repeats it in a status, in unknown fields and in words, also as JSON escapes it."""
    service = Service(
        submit=httpx.Response(404, text=f"nobody {KEY}", headers={"Server": f"nginx {KEY}", "Location": f"/{KEY}"}),
        look=look(f"odd {KEY}", echo={"headers": [f"APIKEY: {KEY}"]}),
    )
    session = session_of(service)
    failure = await submit(session)
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, NotTheApi)
    assert KEY not in repr(failure.error.__dict__) + str(failure.error)
    task = await session.look(ID)
    assert isinstance(task, Task)
    assert KEY not in repr(task.raw) + task.status
    assert KEY not in caplog.text
    slashed = "sk/do/not/show/me"
    escaped = Service(look=httpx.Response(200, content=look(f"odd {slashed}").content.replace(b"/", b"\\/")))
    session = Session(
        api_key=slashed,
        base_url=check_base_url(BASE_URL),
        transports=Transports.of_transport(escaped),
        requests_at_once=1,
        retry=Retry(),
    )
    task = await session.look(ID)
    assert isinstance(task, Task)
    assert task.status == "odd <API key>"


@pytest.mark.anyio
@pytest.mark.parametrize("cause", [OSError("reset"), Stubborn()])
async def test_the_key_is_in_no_variable_of_a_traceback(cause: Exception) -> None:
    """Error trackers show them, those of a transport too; aiohttp's have the headers. The lines stay.

    So do those of an exception that is shown in another's place, because its words say the key.
    """

    def write(headers: dict[str, str]) -> None:
        assert headers
        raise cause

    def lose(request: httpx.Request) -> httpx.Response:
        try:
            write(dict(request.headers))
        except (OSError, Stubborn) as error:
            raise httpx.ReadError("lost") from error
        raise AssertionError

    session = session_of(Service(submit=lose, look=lose))
    for outcome in (await submit(session), await session.look(ID)):
        assert isinstance(outcome, Failure)
        shown = traceback.TracebackException.from_exception(outcome.error, capture_locals=True)
        text = "".join(shown.format())
        assert "in lose" in text
        assert "in write" in text
        assert "_exchange" in text
        assert KEY not in text


@pytest.mark.anyio
async def test_the_log_names_events_without_addresses(caplog: pytest.LogCaptureFixture) -> None:
    """No prompt, no URL."""
    caplog.set_level(logging.DEBUG, "ideal_async")
    service = Service(submit=[answer(None, 1003), answer(ID)], look=[httpx.Response(429), look()])
    session = session_of(service)
    await submit(session)
    await session.look(ID)
    lines = [record.getMessage() for record in caplog.records if record.name == "ideal_async"]
    assert lines[:3] == ["POST 200", lines[1], "POST 200"]
    assert lines[1].startswith("submit: ServerError, sending again in ")
    assert lines[3] == "GET 429"
    assert lines[4].startswith("the API asks to slow down: no requests for ")
    assert "http" not in " ".join(lines)


def test_envelope_is_the_pages() -> None:
    """The fake speaks as the page does."""
    assert envelope(7) == {"code": 0, "message": "success", "data": 7}


# What is asked before each send


@pytest.mark.anyio
async def test_each_send_has_a_body_of_its_own_and_is_confirmed_last() -> None:
    """URLs are signed for a short time, and a person may have taken the key back while it waited to be sent again."""
    service = Service(submit=[answer(code=1003, message="busy"), answer(ID)])
    steps: list[str] = []

    async def sign() -> dict[str, Any]:
        steps.append("body")
        return {**BODY, "imageUrl": f"https://example.com/room.jpg?sig={steps.count('body')}"}

    async def confirm() -> None:
        steps.append("confirm")

    task_id = await session_of(service).submit(sign, confirm=confirm, on_wire=lambda sent: steps.append(f"wire {sent}"))
    assert task_id == ID
    assert [body["imageUrl"][-1] for body in service.submits] == ["1", "2"]
    assert steps == ["body", "confirm", "wire True", "wire False", "body", "confirm", "wire True"]


@pytest.mark.anyio
async def test_what_is_cancelled_while_it_is_confirmed_is_not_sent() -> None:
    """That is the last moment."""
    service = Service(submit=answer(ID))
    with anyio.CancelScope() as scope:

        async def confirm() -> None:
            scope.cancel()

        await session_of(service).submit(write_body, confirm=confirm, on_wire=ignore)
    assert scope.cancelled_caught
    assert service.requests == []


@pytest.mark.anyio
async def test_a_brake_that_comes_on_while_a_send_is_confirmed_counts_and_is_confirmed_again() -> None:
    """What was confirmed before a long pause proves nothing any more."""
    service = Service(
        submit=answer(ID), look=answer(code=429, message="slow down", status=429, **{"Retry-After": "60"})
    )
    session = session_of(service)
    confirmed: list[float] = []

    async def look_meanwhile() -> None:
        await session.look(ID)

    async def confirm() -> None:
        if not confirmed:
            async with anyio.create_task_group() as others:
                others.start_soon(look_meanwhile)
        confirmed.append(anyio.current_time())

    begun = anyio.current_time()
    await session.submit(write_body, confirm=confirm, on_wire=ignore)
    assert len(confirmed) == 2
    assert service.times[-1] - begun >= 60
    assert confirmed[-1] == service.times[-1]


@pytest.mark.anyio
async def test_a_confirmation_that_came_late_is_made_again() -> None:
    """A process may be frozen between the journal's answer and the request."""
    service, confirmed = Service(submit=answer(ID)), list[float]()

    async def confirm() -> None:
        confirmed.append(anyio.current_time())
        if len(confirmed) == 1:
            await anyio.sleep(5.1)

    assert await session_of(service).submit(write_body, confirm=confirm, on_wire=ignore) == ID
    assert confirmed == [service.times[0] - 5.1, service.times[0]]


@pytest.mark.anyio
async def test_a_journal_that_always_confirms_too_late_is_reported_once_and_given_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Nobody waits for ever, nor without a word: a hundred times, or ten minutes, as for a database that is away."""
    service, began = Service(), anyio.current_time()

    async def confirm() -> None:
        await anyio.sleep(6)

    with pytest.raises(JournalFailed, match=r"100 times in a row .* nothing was sent\. Look at the load"):
        await session_of(service).submit(write_body, confirm=confirm, on_wire=ignore)
    assert anyio.current_time() - began == 600
    assert service.requests == []
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert "came 6.0 s after it was asked for" in warning.getMessage()


@pytest.mark.anyio
async def test_a_computer_that_slept_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event loop's clock stood still meanwhile."""
    service, confirmed = Service(submit=answer(ID)), list[int]()

    async def confirm() -> None:
        confirmed.append(len(confirmed))
        monkeypatch.setattr(time, "time", lambda: 1e10)

    assert await session_of(service).submit(write_body, confirm=confirm, on_wire=ignore) == ID
    assert confirmed == [0, 1]


@pytest.mark.anyio
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("taken_back", [False, True])
async def test_what_is_taken_back_while_it_connects_does_not_leave(
    monkeypatch: pytest.MonkeyPatch, *, taken_back: bool
) -> None:
    """It is asked again on the connection, should that have taken longer than a confirmation counts."""
    now, received, steps = [0.0], list[bytes](), list[str]()
    monkeypatch.setattr("ideal_async._session._clocks", lambda: (now[0], 0.0))

    async def serve(stream: anyio.abc.SocketStream) -> None:
        with suppress(anyio.EndOfStream):
            received.append(await read_request(stream))
            await stream.send(http(json.dumps(envelope(ID)).encode()))

    async def confirm() -> None:
        steps.append("confirm")
        if taken_back and steps.count("confirm") == 2:
            raise LookupError("taken back")

    def on_wire(sent: bool) -> None:
        steps.append(f"wire {sent}")
        now[0] += 5.1  # for so long it connects

    async with loopback(serve) as url, httpx.AsyncClient() as client:
        submitted = session_of(client, base_url=url).submit(write_body, confirm=confirm, on_wire=on_wire)
        if taken_back:
            with pytest.raises(LookupError):
                await submitted
        else:
            assert await submitted == ID
    assert steps == ["confirm", "wire True", "confirm", *["wire False"] * taken_back]
    assert len(received) == (not taken_back)
