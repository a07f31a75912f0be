"""The fast transport is a transport of httpx: whoever knows httpx's own is surprised by nothing, on either backend."""

from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import anyio.abc
import httpx
import pytest
from fakes import HALF_READ, ID, KEY, ROOM, http, loopback, read_request

from ideal_async import AsyncClient, ConnectionFailed, Retry

fast = pytest.importorskip("ideal_async.fast", exc_type=ImportError)

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("real_time")]

Serve = Callable[[anyio.abc.SocketStream], Awaitable[None]]
PROCESSING = b'{"code":0,"data":{"id":%d,"status":"Processing","percentage":30,"output":null}}' % ID


def say(answer: bytes) -> Serve:
    """Read a request, answer with these bytes, and hang up."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        await read_request(stream)
        await stream.send(answer)

    return serve


async def silence(stream: anyio.abc.SocketStream) -> None:
    await read_request(stream)
    await anyio.sleep(60)


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
CHUNKS_CUT = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@HALF_READ
@pytest.mark.parametrize(
    ("serve", "name"),
    [
        (say(b""), httpx.RemoteProtocolError),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), httpx.RemoteProtocolError),
        (say(CUT), httpx.RemoteProtocolError),
        (say(CHUNKS_CUT), httpx.RemoteProtocolError),
        (silence, httpx.ReadTimeout),
    ],
)
async def test_what_goes_wrong_has_the_name_that_httpx_gives_it(serve: Serve, name: type[Exception]) -> None:
    """Retries and error pages of an application are written against those names."""
    timeout = httpx.Timeout(20.0, read=0.2)
    async with loopback(serve) as url, httpx.AsyncClient(transport=fast.FastTransport(), timeout=timeout) as client:
        with pytest.raises(name) as caught:
            await client.get(url)
    assert type(caught.value) is name
    assert caught.value.__cause__ is not None


async def test_nobody_there_is_a_connect_error() -> None:
    """And an address that is none for the web is an unsupported one."""
    async with loopback(silence) as url:
        pass
    async with httpx.AsyncClient(transport=fast.FastTransport()) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(url)
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("ftp://127.0.0.1/room.jpg")


async def test_a_body_is_sent_as_it_is_made() -> None:
    """In chunks, under no other length."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            received += await stream.receive()
        asked.append(received)
        await stream.send(http(b"thanks"))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"half "
        yield b"a room"

    async with loopback(serve) as url, httpx.AsyncClient(transport=fast.FastTransport()) as client:
        assert (await client.post(url, content=pieces())).text == "thanks"
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.lower().count(b"transfer-encoding: chunked") == 1
    assert body == b"5\r\nhalf \r\n6\r\na room\r\n0\r\n\r\n"


async def test_an_address_goes_out_as_it_was_given() -> None:
    """A signature covers every character of it."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append(await read_request(stream))
        await stream.send(http(b"a video"))

    target = "/a%2Fb/It%27s%20here.mp4?X-Sig=a%2Bb%3D&e="
    async with loopback(serve) as url, httpx.AsyncClient(transport=fast.FastTransport()) as client:
        answer = await client.get(url + target)
    assert asked[0].startswith(f"GET {target} HTTP/1.1\r\n".encode())
    assert (answer.text, answer.reason_phrase, answer.http_version) == ("a video", "OK", "HTTP/1.1")


async def test_no_cookie_is_kept() -> None:
    """Whoever sets one: a load balancer would tie all looks to one machine."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        for _ in range(2):
            asked.append(await read_request(stream))
            await stream.send(http(PROCESSING, Set_Cookie="balancer=7; Path=/"))

    async with loopback(serve) as url, AsyncClient(KEY, base_url=url, transport=fast.FastTransport()) as client:
        for _ in range(2):
            await client.fetch(ID)
    assert len(asked) == 2
    assert b"cookie" not in b"".join(asked).lower()


async def test_a_proxy_is_shown_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """With whatever characters are in it; and its refusal has httpx's name."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append(await read_request(stream))
        await stream.send(http(b"not today", "407 Proxy Authentication Required"))

    async with loopback(serve) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.replace("http://", "http://me:p%40ss%20word@"))
        async with httpx.AsyncClient(transport=fast.FastTransport(), trust_env=False) as web:
            with pytest.raises(httpx.ProxyError):
                await web.get("https://cdn.example/v.mp4")
        retry = Retry(attempts=1)
        async with AsyncClient(
            KEY, base_url="https://api.example", transport=fast.FastTransport(), retry=retry
        ) as client:
            with pytest.raises(ConnectionFailed):
                await client.submit(ROOM)
            assert client.ledger.unknown == 0
    assert len(asked) == 2
    assert all(b"\r\nproxy-authorization: basic bwu6cebzcyb3b3jk\r\n" in request.lower() for request in asked)
