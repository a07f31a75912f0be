"""The same promises over every transport we support, on real sockets."""

import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
from fakes import HALF_READ, ID, KEY, ROOM, http, loopback, read_request

from ideal_async import AsyncClient, ConnectionFailed, NotTheApi, Pacing, Retry, SubmissionUnknown, Task, VideoOutput
from ideal_async._transports import JUST_USED, aiohttp_sent_nothing, httpcore_sent_nothing

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("real_time")]

Serve = Callable[[anyio.abc.SocketStream], Awaitable[None]]
PROCESSING = b'{"code":0,"data":{"id":%d,"status":"Processing","percentage":30,"output":null}}' % ID
CREATED = b'{"code":0,"data":%d}' % ID


@asynccontextmanager
async def by_httpx() -> AsyncGenerator[dict[str, Any]]:
    """Nothing asked for."""
    yield {}


@asynccontextmanager
async def by_own_client() -> AsyncGenerator[dict[str, Any]]:
    """A client of the caller's."""
    async with httpx.AsyncClient() as client:
        yield {"http_client": client}


@asynccontextmanager
async def by_fast() -> AsyncGenerator[dict[str, Any]]:
    """The extra: aiohttp on asyncio, httpx's own on trio."""
    fast = pytest.importorskip("ideal_async.fast", exc_type=ImportError)
    yield {"transport": fast.FastTransport()}


@asynccontextmanager
async def by_aiohttp() -> AsyncGenerator[dict[str, Any]]:
    """httpx-aiohttp as it comes."""
    module = pytest.importorskip("httpx_aiohttp")
    if not on_asyncio():
        pytest.skip("aiohttp is for asyncio only")
    async with module.HttpxAiohttpClient() as client:
        yield {"http_client": client}


@asynccontextmanager
async def by_httpx2() -> AsyncGenerator[dict[str, Any]]:
    """A fork of httpx whose calls are the same and whose classes are not."""
    module = pytest.importorskip("httpx2")
    async with module.AsyncClient() as client:
        yield {"http_client": client}


def on_asyncio() -> bool:
    return "asyncio" in type(anyio.lowlevel.current_token().native_token).__module__


Carrier = Callable[[], Any]


@pytest.fixture(
    params=[by_httpx, by_own_client, by_fast, by_aiohttp, by_httpx2], ids=lambda carrier: carrier.__name__[3:]
)
def carrier(request: pytest.FixtureRequest) -> Carrier:
    """A way out."""
    found: Carrier = request.param
    return found


@asynccontextmanager
async def client_through(carrier: Carrier, base_url: str, **more: Any) -> AsyncGenerator[AsyncClient]:
    more.setdefault("retry", Retry(wait_initial=0.0))
    async with carrier() as way, AsyncClient(KEY, base_url=base_url, **way, **more) as client:
        yield client


class Wire:
    """Answers every request on every connection, which it keeps open, and remembers what it was asked."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answer = answer

    async def __call__(self, stream: anyio.abc.SocketStream) -> None:
        """Serve one connection."""
        self.connections += 1
        while True:
            try:
                request = await read_request(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return
            self.requests.append(request)
            await stream.send(self._answer(request))


def answer(request: bytes) -> bytes:
    return http(CREATED if request.startswith(b"POST") else PROCESSING)


async def test_a_submit_and_a_look_go_over_the_wire(carrier: Carrier) -> None:
    """The vendor's two endpoints, the key in its header, and one connection for several looks."""
    wire = Wire(answer)
    async with loopback(wire) as url, client_through(carrier, url) as client:
        assert await client.submit(ROOM) == ID
        assert [(await client.fetch(ID)).percentage for _ in range(3)] == [30] * 3
    assert wire.requests[0].startswith(b"POST /api/v1/imageToVideo/generate HTTP/1.1\r\n")
    assert wire.requests[1].startswith(b"GET /api/v1/imageToVideo/result?taskId=%d HTTP/1.1\r\n" % ID)
    assert all(b"apikey: " + KEY.encode() in request.replace(b"APIKEY", b"apikey") for request in wire.requests)
    assert (len(wire.requests), wire.connections <= 2) == (4, True)


async def test_a_compressed_answer_is_read(carrier: Carrier) -> None:
    """Once, and by one of the two."""
    import gzip

    wire = Wire(lambda _: http(gzip.compress(PROCESSING), Content_Encoding="gzip"))
    async with loopback(wire) as url, client_through(carrier, url) as client:
        assert (await client.fetch(ID)).percentage == 30


async def hang_up(stream: anyio.abc.SocketStream) -> None:
    """Close without reading a byte: the request may lie in a buffer."""


async def hear_and_hang_up(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)


async def hear_and_reset(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)  # noqa: S610 - no Django here
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def hear_and_say(content: bytes) -> Serve:
    async def serve(stream: anyio.abc.SocketStream) -> None:
        await read_request(stream)
        await stream.send(content)

    return serve


@HALF_READ
@pytest.mark.parametrize(
    "serve",
    [
        hang_up,
        hear_and_hang_up,
        hear_and_reset,
        hear_and_say(b"\x16\x03\x01 nonsense\r\n\r\n"),
        hear_and_say(b"HTTP/1.1 200 OK\r\n"),
        hear_and_say(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"code": 0, "data": 12345'),
        hear_and_say(http(b"<html>Bad Gateway</html>", "502 Bad Gateway")),
        hear_and_say(http(b"not gzip", Content_Encoding="gzip")),
    ],
    ids=["hang up", "EOF", "reset", "nonsense", "half a head", "half a body", "gateway", "not gzip"],
)
async def test_what_may_have_been_received_is_sent_once(carrier: Carrier, serve: Serve) -> None:
    """Whatever the transport calls it."""
    connections = 0

    async def count(stream: anyio.abc.SocketStream) -> None:
        nonlocal connections
        connections += 1
        await serve(stream)

    async with loopback(count) as url, client_through(carrier, url) as client:
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM)
    assert connections == 1


async def test_a_refused_connection_is_not_sent(carrier: Carrier) -> None:
    """Nothing was spent, and the caller is told so, instead of having to look for a task."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with client_through(carrier, url) as client:
        with pytest.raises(ConnectionFailed):
            await client.submit(ROOM)
        assert client.ledger.unknown == 0


async def test_a_connection_that_does_not_come_about_is_not_sent(carrier: Carrier) -> None:
    """A full backlog: TCP's handshake is left hanging until the timeout."""
    async with carrier() as way:
        http_client = way.get("http_client") or httpx.AsyncClient(transport=way.get("transport"))
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            with pytest.raises(Exception) as caught:  # noqa: PT011 - httpx's, or its fork's
                await http_client.post(url, timeout=(0.05, 5.0, 5.0, 5.0))
            for one in waiting:
                one.close()
        await http_client.aclose()
    assert httpcore_sent_nothing(caught.value) or aiohttp_sent_nothing(caught.value)


async def test_a_connection_closed_while_idle_puts_no_submit_in_doubt(carrier: Carrier) -> None:
    """Keep-alive ends without a word; the next submit takes a fresh connection."""
    async with loopback(hear_and_say(http(CREATED))) as url, client_through(carrier, url) as client:
        for _ in range(3):
            assert await client.submit(ROOM) == ID
            await anyio.sleep(0.01)  # the end of the connection arrives


async def test_the_key_does_not_follow_a_redirect(carrier: Carrier) -> None:
    """Not to another origin, and not even when a client of the caller's follows them."""
    elsewhere = Wire(answer)
    async with loopback(elsewhere) as other:
        moved = Wire(lambda _: http(b"", "307 Temporary Redirect", Location=f"{other}/api"))
        async with loopback(moved) as url, client_through(carrier, url) as client:
            with pytest.raises(NotTheApi):
                await client.submit(ROOM)
    assert (len(moved.requests), elsewhere.requests) == (1, [])


async def test_cancelled_callers_leave_nothing_behind(carrier: Carrier) -> None:
    """Connections come back, whenever their caller went."""
    wire = Wire(answer)
    async with loopback(wire) as url, client_through(carrier, url, max_requests_at_once=2) as client:
        for number in range(40):
            with anyio.move_on_after(0.0002 * number):
                await client.fetch(ID)
        with anyio.fail_after(5):
            assert (await client.fetch(ID)).percentage == 30


async def test_a_wait_is_looked_at_until_its_end(carrier: Carrier) -> None:
    """The poller, over the wire."""
    looks = 0

    def soon(_: bytes) -> bytes:
        nonlocal looks
        looks += 1
        if looks < 3:
            return http(PROCESSING)
        output = b'{"resultUrl":"https://cdn.example/v.mp4"}'
        return http(b'{"code":0,"data":{"id":%d,"status":"Success","percentage":100,"output":%s}}' % (ID, output))

    async with loopback(Wire(soon)) as url:
        pacing = Pacing(min_interval=0.01, max_interval=0.01)
        async with client_through(carrier, url, pacing=pacing) as client:
            assert (await client.wait(ID, timeout=5)).succeeded


async def test_a_download_goes_out_without_the_key(carrier: Carrier, tmp_path: Path) -> None:
    """Through the same transport."""
    wire = Wire(lambda _: http(b"\0\0\0\x20ftypisom moving pictures"))
    async with loopback(wire) as url, client_through(carrier, url) as client:
        task = Task(ID, "Success", output=VideoOutput(f"{url}/v.mp4"))
        path = await client.download(task, tmp_path / "v.mp4")
    assert await anyio.Path(path).read_bytes() == b"\0\0\0\x20ftypisom moving pictures"
    assert KEY.encode() not in wire.requests[0]


async def test_fast_sends_submits_on_connections_of_their_own() -> None:
    """What may cost money does not travel on a connection that has idled between two looks."""
    fast = pytest.importorskip("ideal_async.fast", exc_type=ImportError)
    wire, transport = Wire(answer), fast.FastTransport()
    async with loopback(wire) as url, AsyncClient(KEY, base_url=url, transport=transport) as client:
        await client.fetch(ID)
        await client.submit(ROOM)
        await client.fetch(ID)
        submits, looks = (transport._transports[way, None, False] for way in (True, False))
        kept = [
            carrier.session.connector._keepalive_timeout if on_asyncio() else carrier._pool._keepalive_expiry
            for carrier in (submits, looks)
        ]
    assert wire.connections == 2
    assert kept == [JUST_USED, 75.0]


async def test_fast_may_be_used_by_one_client_after_another() -> None:
    """As any transport of httpx; what was closed is opened anew."""
    fast = pytest.importorskip("ideal_async.fast", exc_type=ImportError)
    wire, transport = Wire(answer), fast.FastTransport()
    async with loopback(wire) as url:
        for _ in range(2):
            async with AsyncClient(KEY, base_url=url, transport=transport) as client:
                assert await client.submit(ROOM) == ID
    assert wire.connections == 2


async def test_fast_heeds_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses has sent nothing, whichever library says so."""
    fast = pytest.importorskip("ideal_async.fast", exc_type=ImportError)
    asked: list[bytes] = []

    async def refuse(stream: anyio.abc.SocketStream) -> None:
        asked.append(await read_request(stream))
        await stream.send(http(b"not today", "403 Forbidden"))

    async with loopback(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        retry = Retry(attempts=2, wait_initial=0.0)
        async with AsyncClient(
            KEY, base_url="https://api.example", transport=fast.FastTransport(), retry=retry
        ) as client:
            with pytest.raises(ConnectionFailed):
                await client.submit(ROOM)
            assert client.ledger.unknown == 0
    assert len(asked) == 2
    assert all(request.startswith(b"CONNECT api.example:443 ") for request in asked)


def test_fast_says_so_where_it_cannot_heed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than go straight there."""
    fast = pytest.importorskip("ideal_async.fast", exc_type=ImportError)
    monkeypatch.setattr("ideal_async._transports.environment.find_spec", lambda _: object())
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(ValueError, match="ALL_PROXY names a SOCKS proxy, which aiohttp does not know"):
        fast.FastTransport()


def test_http2_does_not_log_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG hpack writes down every header that it packs."""
    hpack = pytest.importorskip("hpack")
    with caplog.at_level(logging.DEBUG):
        encoder = hpack.Encoder()
        AsyncClient(KEY)
        encoder.header_table_size = 40  # too small for two: the first is evicted, which is logged too
        encoder.encode([("apikey", KEY)])
        encoder.encode([("accept", "application/json")])
    assert "hpack" not in caplog.text
