"""The ways out: straight to the transport where nothing has to lie between."""

import functools
import gzip
import json
import traceback
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpcore
import httpx
import pytest
from fakes import BASE_URL, GENERATE, HALF_READ, ID, KEY, ROOM, Service, answer, http, look, loopback, read_request
from httpx_aiohttp import HttpxAiohttpClient
from processes import free_port

import ideal_async
from ideal_async import (
    AsyncClient,
    ConnectionFailed,
    InvalidRequest,
    NotTheApi,
    RateLimited,
    Retry,
    ServerError,
    SubmissionUnknown,
    Unauthorized,
)
from ideal_async._credentials import check_base_url
from ideal_async._transports import (
    ClientSender,
    DirectSender,
    LaneTransport,
    Proxies,
    RenewedTransport,
    Trace,
    Transports,
    sent_nothing,
    trusted,
)
from ideal_async._transports.environment import EnvironmentTransport
from ideal_async._transports.patches import is_client_patched, is_transport_patched
from ideal_async._wire import LARGEST_ANSWER
from ideal_async.sandbox import Sandbox

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
TIMEOUT = (1.0, 2.0, 3.0, 4.0)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_straight_request_is_the_one_that_httpx_would_make() -> None:
    """Address, method, body, timeouts and headers; only more encodings may be asked for by a client."""
    url, more = f"{BASE_URL}{GENERATE}", {"Content-Type": "application/json"}
    client = httpx.AsyncClient()
    ours = DirectSender(httpx.AsyncHTTPTransport()).build_request(
        "POST", url, timeout=TIMEOUT, content=b"{}", headers=more
    )
    theirs = client.build_request("POST", url, timeout=TIMEOUT, content=b"{}", headers=more)
    assert (ours.method, ours.url, ours.content) == (theirs.method, theirs.url, theirs.content)
    assert ours.extensions == theirs.extensions
    for name in ("Accept", "Accept-Encoding", "User-Agent"):
        del theirs.headers[name]  # the session sets them, for every sender
    assert ours.headers == theirs.headers


@pytest.mark.anyio
async def test_a_redirect_is_an_answer_like_another() -> None:
    """Nobody follows it: the key would go along."""
    moved = httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
    service = Service(look=moved, file=answer(ID))
    sender = Transports.of_transport(service).looks
    request = sender.build_request("GET", f"{BASE_URL}/api/v1/imageToVideo/result", timeout=TIMEOUT)
    response = await sender.send(request, stream=True, follow_redirects=True)
    assert response.status_code == 307
    assert response.request is request
    assert len(service.requests) == 1


def ways_out(base_url: str) -> set[str | None]:
    """By which proxies the three kinds of requests go to the API."""
    transports = Transports.of_our_own(check_base_url(base_url))
    found: set[str | None] = set()
    for carrier in (
        *(sender.carrier(None) for sender in (transports.posts, transports.looks)),
        transports.web._transport,
    ):
        assert isinstance(carrier, RenewedTransport | LaneTransport)
        pool = carrier.pool if isinstance(carrier, RenewedTransport) else carrier._make()
        proxies = getattr(pool, "_proxies", None)
        if proxies is None:
            assert isinstance(pool, httpx.AsyncHTTPTransport)
        found.add(None if proxies is None else proxies.for_url(httpx.URL(base_url)))
    return found


@pytest.mark.parametrize(
    ("base_url", "variables", "proxy"),
    [
        (BASE_URL, {}, None),
        (BASE_URL, {"HTTPS_PROXY": "http://proxy.example:3128"}, "http://proxy.example:3128"),
        (BASE_URL, {"https_proxy": "proxy.example:3128"}, "http://proxy.example:3128"),
        (BASE_URL, {"ALL_PROXY": "http://a.example:1"}, "http://a.example:1"),
        (BASE_URL, {"ALL_PROXY": "http://a.example:1", "HTTPS_PROXY": "http://b.example:2"}, "http://b.example:2"),
        (BASE_URL, {"HTTP_PROXY": "http://proxy.example:3128"}, None),
        (BASE_URL, {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "api.example"}, None),
        (BASE_URL, {"HTTPS_PROXY": "http://a.example:1", "NO_PROXY": "[::1],fe80::/10,x"}, "http://a.example:1"),
        (BASE_URL, {"NO_PROXY": "[::1]"}, None),
        ("http://127.0.0.1:8000", {"HTTP_PROXY": "http://proxy.example:3128"}, None),
        ("https://localhost:8000", {"HTTPS_PROXY": "http://proxy.example:3128"}, None),
    ],
)
def test_a_proxy_of_the_environment_is_heeded_but_not_for_loopback(
    monkeypatch: pytest.MonkeyPatch, base_url: str, variables: dict[str, str], proxy: str | None
) -> None:
    """As in curl; over plain http a proxy would read the key. What NO_PROXY says in odd ways harms nobody."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ways_out(base_url) == {proxy}


@pytest.mark.anyio
async def test_a_pool_for_each_proxy_is_opened_once_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And requests reach it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    transport = EnvironmentTransport(Proxies(), verify=trusted(), limits=httpx.Limits())
    pools = [transport.pool(proxy) for proxy in (None, "http://proxy.example:3128", None)]
    assert pools[0] is pools[2] is not pools[1]
    assert ["Proxy" in type(pool._pool).__name__ for pool in pools[:2]] == [False, True]
    calls: list[str] = []

    class Heard(httpx.AsyncHTTPTransport):
        """Notes what it is asked for."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            calls.append(str(request.url))
            return httpx.Response(200)

    transport._pools["http://proxy.example:3128"] = Heard()
    await transport.handle_async_request(httpx.Request("GET", "https://api.example/"))
    assert calls == ["https://api.example/"]
    await transport.aclose()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"HTTPS_PROXY": "http://"}, "HTTPS_PROXY is no URL of a proxy"),
        ({"ALL_PROXY": "ftp://proxy.example"}, "ALL_PROXY is no URL of a proxy"),
        ({"HTTPS_PROXY": "http://user:secret@proxy.example:port"}, "HTTPS_PROXY is no URL of a proxy"),
        ({"ALL_PROXY": "socks5://127.0.0.1:1"}, r"ALL_PROXY names a SOCKS proxy, which needs socksio: pip install"),
        ({"SSL_CERT_FILE": "/no/such/file.pem"}, "SSL_CERT_FILE names certificates that cannot be read"),
    ],
)
def test_what_the_environment_says_wrongly_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    """In one line, with the variable in it and no password."""
    monkeypatch.setattr("ideal_async._transports.environment.find_spec", lambda _: None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message) as caught:
        AsyncClient(KEY)
    assert "secret" not in str(caught.value)


def test_a_socks_proxy_is_used_where_its_package_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for only where it is needed."""
    monkeypatch.setattr("ideal_async._transports.environment.find_spec", lambda _: object())
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert ways_out(BASE_URL) == {"socks5://127.0.0.1:1"}
    assert Proxies().variables("socks5", "socks5h") == ["ALL_PROXY"]
    assert Proxies()


# Pools that have lost slots


class Body(httpx.AsyncByteStream):
    """Is still to be read."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


class Leaky(httpx.AsyncBaseTransport):
    """Answers *answers* requests, and has no connection for anybody after that."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.answers == 0:
            raise httpx.PoolTimeout("full") from httpcore.PoolTimeout("full")
        self.answers -= 1
        reply = answer(ID) if request.method == "POST" else look()
        return httpx.Response(200, stream=Body(reply.content))

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.anyio
async def test_a_pool_that_claims_to_be_full_although_it_is_not_is_replaced() -> None:
    """The request that found out goes by the new one; the old pool is closed when its last request has ended."""
    pools: list[Leaky] = []

    def make() -> Leaky:
        pools.append(Leaky(2))
        return pools[-1]

    transport = RenewedTransport(make, size=4)
    get = httpx.Request("GET", "https://api.example/")
    first, second = [await transport.handle_async_request(get) for _ in range(2)]
    await first.aread()
    await first.aclose()
    third = await transport.handle_async_request(get)
    assert (len(pools), pools[0].closed) == (2, 0)
    for _ in range(2):
        assert isinstance(second.stream, httpx.AsyncByteStream)
        await second.stream.aclose()
    assert [pool.closed for pool in pools] == [1, 0]
    await third.aclose()
    await transport.aclose()
    assert [pool.closed for pool in pools] == [1, 1]
    assert transport.pool is pools[1]


@pytest.mark.anyio
async def test_a_pool_that_is_full_stays() -> None:
    """More requests than it has connections: it says the truth."""
    pools: list[Leaky] = []

    def make() -> Leaky:
        pools.append(Leaky(1))
        return pools[-1]

    transport = RenewedTransport(make, size=1)
    get = httpx.Request("GET", "https://api.example/")
    busy = await transport.handle_async_request(get)
    with pytest.raises(httpx.PoolTimeout) as caught:
        await transport.handle_async_request(get)
    assert sent_nothing(transport, caught.value, Trace())
    assert len(pools) == 1
    await busy.aclose()


@pytest.mark.anyio
async def test_submits_go_on_when_a_pool_has_lost_its_slots() -> None:
    """Nothing was sent by the one that found out, so it goes again."""
    async with AsyncClient(KEY, base_url=BASE_URL, transport=RenewedTransport(lambda: Leaky(1), size=4)) as client:
        for _ in range(3):
            assert await client.submit(ROOM) == ID
        assert client.ledger.unknown == 0


# Lanes


class Lane(httpx.AsyncBaseTransport):
    """One connection; notes whether two requests are on it at once."""

    def __init__(self) -> None:
        self.users = self.closed = 0
        self.error: BaseException | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.error is not None:
            raise self.error
        self.users += 1
        assert self.users == 1
        lane = self

        class Freeing(Body):
            """Frees the lane."""

            async def aclose(self) -> None:
                lane.users -= 1
                if lane.error is not None:
                    raise lane.error

        return httpx.Response(200, stream=Freeing(b"{}"), request=request)

    async def aclose(self) -> None:
        self.closed += 1


def lanes(keep_alive: float = 60.0) -> tuple[LaneTransport, list[Lane]]:
    """Return lanes, and those that were made."""
    made: list[Lane] = []

    def make() -> Lane:
        made.append(Lane())
        return made[-1]

    return LaneTransport(make, keep_alive=keep_alive), made


GET = httpx.Request("GET", "https://api.example/")


@pytest.mark.anyio
async def test_each_request_has_a_lane_of_its_own_and_the_last_used_goes_first() -> None:
    """Until its body is closed, once or twice; so that few connections are open, and those are warm."""
    transport, made = lanes()
    first, second = [await transport.handle_async_request(GET) for _ in range(2)]
    assert (len(made), len(transport)) == (2, 0)
    assert await first.aread() == b"{}"
    await second.aclose()
    await first.aclose()
    await first.stream.aclose()  # type: ignore[union-attr]  # an async one
    assert len(transport) == 2
    again = await transport.handle_async_request(GET)
    assert [lane.users for lane in made] == [0, 1]
    await again.aclose()
    await transport.aclose()
    assert [lane.closed for lane in made] == [1, 1]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [httpx.PoolTimeout("full"), httpx.ReadError("gone"), GeneratorExit()])
async def test_what_goes_wrong_on_a_lane_is_the_end_of_that_lane(error: BaseException) -> None:
    """The slot of a request that is cancelled while it connects is lost to httpcore: here it is thrown away."""
    transport, made = lanes()
    await (await transport.handle_async_request(GET)).aclose()
    made[0].error = error
    with pytest.raises(type(error)):
        await transport.handle_async_request(GET)
    assert (len(transport), made[0].closed) == (0, 1)
    await (await transport.handle_async_request(GET)).aclose()
    assert len(made) == 2


@pytest.mark.anyio
@pytest.mark.parametrize("error", [httpx.ReadError("gone"), OSError("gone"), GeneratorExit()])
async def test_a_lane_whose_answer_cannot_be_closed_is_closed_itself(error: BaseException) -> None:
    """It is not used again, and its socket is not left to the collector."""
    transport, made = lanes()
    answered = await transport.handle_async_request(GET)
    made[0].error = error
    with pytest.raises(type(error)):
        await answered.aclose()
    assert (len(transport), made[0].closed) == (0, 1)


@pytest.mark.anyio
async def test_a_lane_that_could_not_connect_sent_nothing() -> None:
    """As on any transport of httpcore's."""
    transport, made = lanes()
    await (await transport.handle_async_request(GET)).aclose()
    made[0].error = httpx.ConnectError("refused")
    made[0].error.__cause__ = httpcore.ConnectError("refused")
    with pytest.raises(httpx.ConnectError) as caught:
        await transport.handle_async_request(GET)
    assert sent_nothing(transport, caught.value, Trace())
    await (await transport.handle_async_request(GET)).aclose()
    made[-1].error = httpx.ReadError("gone")
    with pytest.raises(httpx.ReadError) as later:
        await transport.handle_async_request(GET)
    assert not sent_nothing(transport, later.value, Trace())


@pytest.mark.anyio
async def test_a_lane_that_nobody_used_for_long_is_closed() -> None:
    """A burst opened it; what goes on needs fewer."""
    transport, made = lanes(keep_alive=-1.0)
    for response in [await transport.handle_async_request(GET) for _ in range(3)]:
        await response.aclose()
    busy = await transport.handle_async_request(GET)
    assert [lane.closed for lane in made] == [1, 0, 0]
    await transport.aclose()
    assert [lane.closed for lane in made] == [1, 1, 0]
    await busy.aclose()
    assert [lane.closed for lane in made] == [1, 1, 1]


@pytest.mark.anyio
async def test_a_pool_of_the_users_is_never_replaced() -> None:
    """The error says what to do."""
    pool = Leaky(0)
    async with (
        httpx.AsyncClient(transport=pool) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(ConnectionFailed, match=r"has lost slots.*make a new one"):
            await client.fetch(ID)
        assert pool.closed == 0


class Stranger:
    """A client of a fork that asks nobody which transport is for which URL."""

    is_closed = False
    build_request = send = None

    async def __aenter__(self) -> None:
        """Nothing."""


def test_a_client_that_cannot_be_asked_for_its_transport_is_not_believed() -> None:
    """Only events prove anything then."""
    Stranger.__module__, Stranger.__qualname__ = "httpx2._client", "AsyncClient"
    Stranger.__name__ = "AsyncClient"
    assert ClientSender(Stranger()).carrier(None) is None


@pytest.mark.anyio
async def test_a_stream_that_is_no_async_one_is_left_as_it_is() -> None:
    """A mock may answer anything; when the pool is closed, so is what it was replaced by."""

    class Odd(httpx.AsyncBaseTransport):
        """Answers with a plain body."""

        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Plain())

    class Plain(httpx.SyncByteStream):
        """For the sync twin."""

    response = await RenewedTransport(Odd, size=1).handle_async_request(httpx.Request("GET", BASE_URL))
    assert isinstance(response.stream, Plain)


# Whoever patches httpx


@pytest.mark.anyio
@pytest.mark.parametrize("method", ["send", "_send_single_request"])
@pytest.mark.parametrize("wrapped", [True, False])
async def test_requests_go_through_httpx_where_somebody_has_patched_it(
    monkeypatch: pytest.MonkeyPatch, method: str, wrapped: bool
) -> None:
    """Sentry and ddtrace patch `send`, old vcrpy what is below it; a replayed test must not spend money."""
    original = getattr(httpx.AsyncClient, method)
    seen: list[str] = []

    async def patched(self: httpx.AsyncClient, request: httpx.Request, *args: Any, **kwargs: Any) -> httpx.Response:
        seen.append(f"{request.method} {request.headers['APIKEY'] == KEY}")
        response: httpx.Response = await original(self, request, *args, **kwargs)
        return response

    service = Service(submit=answer(ID), look=look("Success"))
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service) as client:
        await client.submit(ROOM)
        assert seen == []
        monkeypatch.setattr(httpx.AsyncClient, method, functools.wraps(original)(patched) if wrapped else patched)
        await client.submit(ROOM)
        await client.fetch(ID)
        await client.fetch(ID)
        monkeypatch.undo()
        await client.fetch(ID)
    assert seen == ["POST True", "GET True", "GET True"]
    assert len(service.requests) == 5


STEPS = ("_send_handling_auth", "_send_handling_redirects", "_send_single_request", "_transport_for_url")


def in_place(monkeypatch: pytest.MonkeyPatch, _: Any) -> None:
    """Other code in the same function, as debuggers and some tracers do it."""
    other = httpx.AsyncClient.send.__code__.replace(co_filename="tool.py")
    monkeypatch.setattr(httpx.AsyncClient.send, "__code__", other)


class Proxy:
    """What wrapt makes: it has the code of what it wraps, is equal to it, and has its hash."""

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return bool(self.__wrapped__ == other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else self.__wrapped__.__get__(instance, owner)


def by_proxy(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """As ddtrace does it."""
    monkeypatch.setattr(httpx.AsyncClient, step, Proxy(getattr(httpx.AsyncClient, step)))


def by_class(monkeypatch: pytest.MonkeyPatch, _: Any) -> None:
    """As OpenTelemetry's instrumentation did it until 0.49: a class of its own, which puts in a transport."""

    class Instrumented(httpx.AsyncClient):
        """Not httpx's."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**more)

    monkeypatch.setattr(httpx, "AsyncClient", Instrumented)


def by_fake(monkeypatch: pytest.MonkeyPatch, _: Any) -> None:
    """A class that is all its own."""
    members: dict[str, Any] = {name: lambda *_: None for name in ("__init__", "build_request", "send", *STEPS)}
    monkeypatch.setattr(httpx, "AsyncClient", type("Fake", (), members))


def by_mock(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Something that has no code."""
    monkeypatch.setattr(httpx.AsyncClient, step, functools.partial(getattr(httpx.AsyncClient, step)))


@pytest.mark.parametrize("step", ["send", *STEPS])
@pytest.mark.parametrize("patch", [in_place, by_proxy, by_class, by_fake, by_mock])
def test_whatever_way_it_is_patched_it_is_noticed(monkeypatch: pytest.MonkeyPatch, patch: Any, step: str) -> None:
    """When it comes and when it goes, as often as it likes."""
    for _ in range(2):
        assert not is_client_patched()
        with monkeypatch.context() as tool:
            patch(tool, step)
            assert is_client_patched()
            assert is_client_patched()
    assert not is_client_patched()


@pytest.mark.parametrize(
    "cls", [httpx.AsyncHTTPTransport, httpcore.AsyncConnectionPool], ids=["OpenTelemetry", "respx"]
)
def test_a_patched_transport_is_noticed_too(monkeypatch: pytest.MonkeyPatch, cls: Any) -> None:
    """By whom it is patched does not matter; the fast transport steps aside for it."""
    assert not is_transport_patched()
    with monkeypatch.context() as tool:
        tool.setattr(cls, "handle_async_request", lambda *_: None)
        assert is_transport_patched()
    assert not is_transport_patched()


@pytest.mark.anyio
@pytest.mark.parametrize("more", [{"through_httpx": True}, {}])
async def test_requests_go_through_httpx_when_asked(caplog: pytest.LogCaptureFixture, more: dict[str, Any]) -> None:
    """There its own logger hears of each; of what goes straight to the transport it does not."""
    service = Service(submit=answer(ID), look=look("Success"))
    caplog.set_level("INFO", "httpx")
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service, **more) as client:
        assert (await client.generate(ROOM)).id == ID
    own = AsyncClient(KEY, base_url=BASE_URL, **more)._transports
    senders = [own.posts, own.looks]
    assert [isinstance(each, DirectSender) and each._through_httpx for each in senders] == [bool(more)] * 2
    assert len([record for record in caplog.records if record.name == "httpx"]) == 2 * len(more)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "body", "headers", "outcome"),
    [
        (200, b"x" * (LARGEST_ANSWER + 9), {}, SubmissionUnknown),
        (405, b"no such method", {}, NotTheApi),
        (405, b"no such m", {"Content-Length": "14"}, SubmissionUnknown),
        (200, answer(7).content, {}, 7),
        (200, gzip.compress(answer(7).content), {"Content-Encoding": "gzip"}, 7),
        (200, gzip.compress(b"x" * 9 * LARGEST_ANSWER), {"Content-Encoding": "gzip"}, SubmissionUnknown),
        (200, b"?", {"Content-Encoding": "br"}, SubmissionUnknown),
    ],
)
@HALF_READ
async def test_answers_that_a_tool_looks_at_are_read_before_but_not_without_limit(
    status: int, body: bytes, headers: dict[str, str], outcome: int | type[Exception]
) -> None:
    """Whole where they are whole; what is too long, cut off or packed oddly ends as it does without a tool."""
    extensions = {"http_version": b"HTTP/1.1"}
    headers = {"Content-Length": str(len(body))} | headers
    for through_httpx in (True, False):
        service = Service(submit=httpx.Response(status, stream=Body(body), headers=headers, extensions=extensions))
        more: dict[str, Any] = {"transport": service, "through_httpx": through_httpx}
        async with AsyncClient(KEY, base_url=BASE_URL, **more) as client:
            if isinstance(outcome, int):
                assert await client.submit(ROOM) == outcome
                continue
            with pytest.raises(outcome):
                await client.submit(ROOM)


# What cannot work


class SyncOnly:
    """A client of another library."""

    def send(self) -> None:
        """Not ours."""


class Half:
    """Something with a context manager."""

    async def __aenter__(self) -> None:
        """Nothing."""

    def build_request(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("http_client", "message"),
    [
        (httpx.Client(), r"http_client is a Client, which is not for async code: pass an httpx\.AsyncClient"),
        (httpx.AsyncClient, r"http_client is the class AsyncClient: pass an object of it, AsyncClient\(\)"),
        (httpx.AsyncHTTPTransport(), r"http_client is a transport \(AsyncHTTPTransport\): pass it as transport="),
        (httpx.HTTPTransport(), r"pass it as transport="),
        (Sandbox(render=False), r"http_client is a Sandbox: pass transport=sandbox\.transport"),
        ("https://proxy.example", "http_client is a str, which is not for async code"),
        (SyncOnly(), "http_client is a SyncOnly, which is not for async code"),
        (Half(), "http_client is a Half, which has no send: pass an httpx.AsyncClient"),
    ],
)
def test_what_is_no_client_is_refused_with_the_fix(http_client: Any, message: str) -> None:
    """Before it could send anything."""
    with pytest.raises(TypeError, match=message):
        AsyncClient(KEY, http_client=http_client)


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        (httpx.AsyncHTTPTransport, r"transport is the class AsyncHTTPTransport: pass an object of it"),
        (httpx.HTTPTransport(), r"transport is a HTTPTransport, which is not for async code"),
        (Sandbox(render=False), r"transport is a Sandbox: pass its transport, as in transport=sandbox\.transport"),
        (httpx.AsyncClient(), r"transport is a client \(AsyncClient\): pass it as http_client="),
        ("https://proxy.example", r"transport is a str: pass a transport of httpx"),
    ],
)
def test_what_is_no_transport_is_refused_with_the_fix(transport: Any, message: str) -> None:
    """Before it could send anything."""
    with pytest.raises(TypeError, match=message):
        AsyncClient(KEY, transport=transport)


# Response hooks


async def raise_for_status(response: httpx.Response) -> None:
    """As in httpx's own documentation."""
    response.raise_for_status()


async def read_and_raise(response: httpx.Response) -> None:
    """As in httpx's own documentation, where the body is to be logged."""
    await response.aread()
    response.raise_for_status()


async def raise_something(response: httpx.Response) -> None:
    """Of its own."""
    if response.is_error:
        raise LookupError(f"no good: {KEY}")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("hook", "reply", "error"),
    [
        (raise_for_status, answer(None, 5002, status=401), Unauthorized),
        (raise_for_status, answer(None, 1011, status=400), NotTheApi),
        (raise_for_status, httpx.Response(403), NotTheApi),
        (raise_for_status, httpx.Response(404), NotTheApi),
        (raise_for_status, httpx.Response(429), RateLimited),
        (raise_for_status, httpx.Response(409), SubmissionUnknown),
        (raise_for_status, httpx.Response(410), SubmissionUnknown),  # who knows what its body says
        (raise_for_status, httpx.Response(451), SubmissionUnknown),
        (raise_for_status, answer(None, 1003, status=500), SubmissionUnknown),
        (raise_for_status, answer(ID, status=502), SubmissionUnknown),
        (raise_something, httpx.Response(404), SubmissionUnknown),
        (read_and_raise, answer(None, 1011, status=400), InvalidRequest),
        (read_and_raise, answer(None, 5002, status=403), Unauthorized),
        (read_and_raise, answer(None, 1003, status=500), ServerError),
        (read_and_raise, httpx.Response(502), SubmissionUnknown),
    ],
)
async def test_what_a_response_hook_raised_about_counts(
    hook: Any, reply: httpx.Response, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """Its status, and its body where the hook has read it; the hook was warned of."""
    service = Service(submit=reply, look=[reply, look("Success")])
    async with (
        httpx.AsyncClient(transport=service, event_hooks={"response": [hook]}) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client, retry=Retry(attempts=2)) as client,
    ):
        with pytest.raises(error) as caught:
            await client.submit(ROOM)
        assert KEY not in "".join(traceback.format_exception(caught.value))
        if error is not InvalidRequest:  # which ends a wait, too
            assert (await client.wait(ID)).succeeded
    assert "http_client has response hooks" in caplog.text


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("status", [401, 404])
async def test_a_hook_of_its_own_is_seen_through_by_the_events(status: int) -> None:
    """Over httpcore the status is known whatever is raised; a refused submit of 401, 404 created nothing."""

    async def refuse(stream: Any) -> None:
        await read_request(stream)
        await stream.send(http(b"no", f"{status} No"))

    async with (
        loopback(refuse) as url,
        httpx.AsyncClient(event_hooks={"response": [raise_something]}) as http_client,
        AsyncClient(KEY, base_url=url, http_client=http_client) as client,
    ):
        with pytest.raises(Unauthorized if status == 401 else NotTheApi) as caught:
            await client.submit(ROOM)
        assert client.ledger.unknown == 0
        assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.anyio
@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
async def test_an_answer_of_another_service_to_a_hook_says_nothing_of_the_request(status: int) -> None:
    """A hook may report each answer elsewhere, where it is refused: the task is paid, and not sent again."""
    service = Service(submit=answer(ID))
    audit = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(status)))

    async def report(response: httpx.Response) -> None:
        (await audit.post("https://audit.example", json=response.status_code)).raise_for_status()

    async with (
        audit,
        httpx.AsyncClient(transport=service, event_hooks={"response": [report]}) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM, key="order-42")
        assert client.ledger.unknown == 20
    assert len(service.requests) == 1


class Odd(Exception):
    """Carries something that is called a response."""

    def __init__(self, response: object) -> None:
        super().__init__("no")
        self.response = response


@pytest.mark.anyio
@pytest.mark.parametrize(
    "response",
    [
        {"Error": {"Code": "AccessDenied"}},  # as botocore's ClientError has it
        "no",
        SimpleNamespace(status_code="403", headers={}),
        SimpleNamespace(status_code=403, headers=None),
        SimpleNamespace(status_code=403, headers={1: 2}),
        SimpleNamespace(status_code=403, headers={"Retry-After": None}),
        httpx.Response(403),
    ],
    ids=repr,
)
async def test_what_a_hook_raises_may_carry_anything(response: object) -> None:
    """It is a doubt, whatever it is: the request was sent."""
    service = Service(submit=answer(ID))

    async def refuse(_: httpx.Response) -> None:
        raise Odd(response)

    async with (
        httpx.AsyncClient(transport=service, event_hooks={"response": [refuse]}) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM)
    assert len(service.requests) == 1


@pytest.mark.anyio
async def test_what_nobody_foresaw_behind_a_send_is_a_doubt() -> None:
    """A hook may leave anything in an answer; the request was sent all the same, and is not sent again."""
    service = Service(submit=answer(ID))

    async def spoil(response: httpx.Response) -> None:
        response.headers = {"Retry-After": None}  # type: ignore[assignment]
        raise Odd(response)

    async with (
        httpx.AsyncClient(transport=service, event_hooks={"response": [spoil]}) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(SubmissionUnknown, match="could not be read") as caught:
            await client.submit(ROOM)
        assert client.ledger.unknown == 20
    assert isinstance(caught.value.__cause__, AttributeError)
    assert len(service.requests) == 1


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.usefixtures("real_time")
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)  # aiohttp is for asyncio only
async def test_a_connection_that_was_refused_to_a_hook_proves_nothing() -> None:
    """There are no events of aiohttp's, so that nobody knows whose connection it was."""
    received = 0

    async def answer_it(stream: Any) -> None:
        nonlocal received
        await read_request(stream)
        received += 1
        await stream.send(http(answer(ID).content, Content_Type="application/json"))

    async def report(_: httpx.Response) -> None:
        async with HttpxAiohttpClient() as audit:
            await audit.post(f"http://127.0.0.1:{free_port()}")

    async with (
        loopback(answer_it) as url,
        HttpxAiohttpClient(event_hooks={"response": [report]}) as http_client,
        AsyncClient(KEY, base_url=url, http_client=http_client) as client,
    ):
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM)
    assert received == 1


@pytest.mark.anyio
async def test_a_network_that_breaks_is_no_hook() -> None:
    """Hooks or not: the exception is a transport's, and nobody knows what was received."""
    service = Service(submit=httpx.ReadError("lost"), look=OSError("unplugged"))
    async with (
        httpx.AsyncClient(transport=service, event_hooks={"response": [raise_for_status]}) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM)
        with pytest.raises(ConnectionFailed, match="unplugged"):
            await client.fetch(ID)


@pytest.mark.anyio
@pytest.mark.parametrize("own", [None, "shop/2.0"])
async def test_a_request_says_who_sends_it(own: str | None) -> None:
    """Unless the user's client says something of its own."""
    service = Service(submit=answer(ID), look=look())
    headers = {} if own is None else {"User-Agent": own}
    async with httpx.AsyncClient(transport=service, headers=headers) as http_client:
        for way in ({"transport": service}, {"http_client": http_client}):
            async with AsyncClient(KEY, base_url=BASE_URL, **way) as client:
                await client.submit(ROOM)
                await client.fetch(ID)
    ours = f"ideal-async/{ideal_async.__version__}"
    assert [request.headers["User-Agent"] for request in service.requests] == [ours] * 2 + [own or ours] * 2
    assert {request.headers["Accept-Encoding"] for request in service.requests} == {"identity"}


class Picky(httpx.AsyncClient):
    """Somebody's client that refuses to make some requests."""

    def build_request(self, method: str, *args: object, **more: object) -> httpx.Request:
        if method == "POST":
            raise LookupError(f"no route for {KEY}")
        return super().build_request(method, *args, **more)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_an_http_client_that_cannot_make_a_request_has_sent_nothing() -> None:
    """The caller is told so, the key is covered, nothing is spent, and everybody else goes on."""
    service = Service(submit=answer(ID), look=look())
    async with (
        Picky(transport=service) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(ConnectionFailed, match=r"cannot make this request \(LookupError: no route for <API key>\)"):
            await client.submit(ROOM)
        assert repr(client.ledger) == "Ledger(reserved=0, spent=0, refunded=0, unknown=0)"
        assert (await client.fetch(ID)).id == ID
    assert service.submits == []


@pytest.mark.anyio
async def test_a_client_over_a_transport_sends_the_pages_requests() -> None:
    """With the key, which is no default of anything that downloads."""
    service = Service(submit=answer(ID), look=look("Success"))
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service) as client:
        await client.generate(ROOM)
        assert "APIKEY" not in client._transports.web.headers
    post, get = service.requests
    assert [request.headers["APIKEY"] for request in (post, get)] == [KEY, KEY]
    assert [request.headers["Accept"] for request in (post, get)] == ["application/json"] * 2
    assert json.loads(post.content)["resolution"] == "720p"


class Signing(Service):
    """Changes the requests that it carries, as one that signs them does."""

    found: list[tuple[bool, float, bool]]  # what was there before

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Leave traces in the request itself."""
        times = request.extensions["timeout"]
        self.found.append(("X-Seen" in request.headers, times["read"], "mine" in request.extensions))
        request.headers["X-Seen"], times["read"], request.extensions["mine"] = "yes", 0.1, True
        return await super().handle_async_request(request)


@pytest.mark.anyio
async def test_what_a_transport_does_to_one_look_is_not_done_to_the_next() -> None:
    """All are made after the first one, whose own headers and timeouts stay as they were."""
    service = Signing(look=lambda request: look(task_id=int(request.url.params["taskId"])))
    service.found = []
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service) as client:
        for task_id in (ID, ID + 1, ID):
            await client.fetch(task_id)
    assert [request.url.query for request in service.requests] == [b"taskId=%d" % (ID + more) for more in (0, 1, 0)]
    assert service.found == [(False, 30.0, False)] * 3
    assert [request.headers["APIKEY"] for request in service.requests] == [KEY] * 3
    assert [request.headers["Host"] for request in service.requests] == [httpx.URL(BASE_URL).host] * 3
    assert [request.content for request in service.requests] == [b""] * 3
