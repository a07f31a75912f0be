"""The fast transport is a transport of httpx: whoever knows httpx's own is surprised by nothing, on either backend."""

from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
import anyio.abc
import httpx
import pytest
from fakes import HALF_READ, ID, KEY, ROOM, http, loopback, read_request

from ideal_async import AsyncClient, ConnectionFailed, Retry, SubmissionUnknown

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


@pytest.mark.parametrize("nowhere", ["a..b.example", f"{'a' * 64}.example", "api.example:70000", "[::1]:65536"])
@pytest.mark.parametrize("variable", [None, "HTTPS_PROXY"])
async def test_where_nobody_can_be_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, nowhere: str
) -> None:
    """Neither an API nor a proxy: so it is no doubt what a submit has cost."""
    if variable:
        monkeypatch.setenv(variable, f"http://me:secret@{nowhere}")
    url = f"https://{'api.example' if variable else nowhere}"
    transport = fast.FastTransport()
    async with httpx.AsyncClient(transport=transport, trust_env=False) as web:
        for method in ("GET", "POST"):
            with pytest.raises(httpx.ConnectError, match="no host is called") as caught:
                await web.request(method, f"{url}/a?signature=secret")
            assert type(caught.value) is httpx.ConnectError
            assert "secret" not in str(caught.value)
            assert transport.sent_nothing(caught.value)
    if ":" in nowhere and not variable:
        return  # no client is made for such a port
    async with AsyncClient(KEY, base_url=url, transport=transport, retry=Retry(attempts=1)) as client:
        with pytest.raises(ConnectionFailed):
            await client.submit(ROOM)
        assert client.ledger.unknown == 0


async def test_what_came_before_a_break_is_given_out_first() -> None:
    """A download gets on by it, however late it is read."""
    video = b"a video" * 10_000

    async def serve(stream: anyio.abc.SocketStream) -> None:
        await read_request(stream)
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + video)

    received: list[bytes] = []

    async def read(answer: httpx.Response) -> None:
        async for chunk in answer.aiter_raw():
            received.append(chunk)  # noqa: PERF401 - what came before an error counts

    async with (
        loopback(serve) as url,
        httpx.AsyncClient(transport=fast.FastTransport()) as client,
        client.stream("GET", url) as answer,
    ):
        await anyio.sleep(0.2)  # meanwhile all has come, and the break with it
        with pytest.raises(httpx.RemoteProtocolError):
            await read(answer)
    assert b"".join(received) == video


async def test_a_redirected_request_has_the_body_of_the_first() -> None:
    """And none if that had none: many a store refuses a GET with a body."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append(await read_request(stream))
        moved = http(b"", "307 Temporary Redirect", Location="/there", Connection="close")
        await stream.send(moved if asked[-1].split()[1] == b"/" else http(b"a video", Connection="close"))

    async with (
        loopback(serve) as url,
        httpx.AsyncClient(transport=fast.FastTransport(), follow_redirects=True) as client,
    ):
        assert (await client.get(url)).text == "a video"
        assert (await client.post(url, content=b"a room")).text == "a video"
    bodies = [request.partition(b"\r\n\r\n")[2] for request in asked]
    assert bodies == [b"", b"", b"a room", b"a room"]
    assert b"transfer-encoding" not in b"".join(asked).lower()
    assert b"content-length" not in b"".join(asked[:2]).lower()


async def test_a_body_is_never_sent_by_halves() -> None:
    """What may be repeated, aiohttp 3.12 repeats by itself when a kept connection breaks: then all of it."""
    asked: list[bytes] = []

    class Room(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"a room"

    async def serve(stream: anyio.abc.SocketStream) -> None:
        while True:
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                received += await stream.receive()
            asked.append(received.partition(b"\r\n\r\n")[2])
            if len(asked) == 2:
                return
            await stream.send(http(b"thanks"))

    async with loopback(serve) as url, httpx.AsyncClient(transport=fast.FastTransport()) as client:
        assert (await client.put(url, content=Room())).text == "thanks"
        with suppress(httpx.RemoteProtocolError):  # httpx's own transport does not repeat
            await client.put(url, content=Room())
    assert len(asked) >= 2
    assert set(asked) == {b"6\r\na room\r\n0\r\n\r\n"}


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


#: As it stands in the URL, and as a proxy is shown it.
PASSWORD = "p%40ss%20w%D0%BFrd"
SHOWN = b64encode("me:p@ss wпrd".encode()).decode()


async def test_a_proxy_is_shown_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """With whatever characters are in it; and its refusal has httpx's name."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append(await read_request(stream))
        await stream.send(http(b"not today", "407 Proxy Authentication Required"))

    async with loopback(serve) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.replace("http://", f"http://me:{PASSWORD}@"))
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
    for request in asked:
        assert request.startswith(b"CONNECT ")
        assert f"\r\nproxy-authorization: basic {SHOWN}\r\n".lower().encode() in request.lower()
        assert SHOWN.encode() in request


@pytest.mark.parametrize("password", [f":{PASSWORD}", ""])
async def test_a_proxy_without_a_tunnel_is_shown_it_too(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """It stands among the request's own headers there."""
    asked: list[bytes] = []

    async def serve(stream: anyio.abc.SocketStream) -> None:
        asked.append(await read_request(stream))
        await stream.send(http(b"a video"))

    async with loopback(serve) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.replace("http://", f"http://me{password}@" if password else "http://"))
        async with httpx.AsyncClient(transport=fast.FastTransport(), trust_env=False) as web:
            answer = await web.get("http://cdn.example/v.mp4")
    assert answer.text == "a video"
    assert "proxy-authorization" not in answer.request.headers  # nor goes it where that is redirected to
    (request,) = asked
    assert request.startswith(b"GET http://cdn.example/v.mp4 HTTP/1.1\r\n")
    assert request.lower().count(b"proxy-authorization") == request.count(SHOWN.encode()) == bool(password)


@HALF_READ
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_what_a_proxy_says_instead_of_a_tunnel_proves_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Garbage as well; where there is no tunnel, it may be the API that answered it."""
    async with loopback(say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        base_url = "https://api.example" if scheme == "https" else url
        transport, retry = fast.FastTransport(), Retry(attempts=1)
        async with AsyncClient(KEY, base_url=base_url, transport=transport, retry=retry) as client:
            with pytest.raises(ConnectionFailed if scheme == "https" else SubmissionUnknown):
                await client.submit(ROOM)
            assert client.ledger.unknown == (0 if scheme == "https" else 20)


@HALF_READ
@pytest.mark.parametrize(
    "serve",
    [
        say(http(b"", "407 Proxy Authentication Required")),
        say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        say(http(b"no TLS")),
        say(b""),
    ],
    ids=["refused", "garbage", "no TLS", "hung up"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_error_says_the_password_of_a_proxy(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, scheme: str
) -> None:
    """Nor the key, which is a header as well: those end in logs, with all that they were caused by."""
    async with loopback(serve) as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.replace("http://", f"http://me:{PASSWORD}@"))
        async with httpx.AsyncClient(transport=fast.FastTransport(), trust_env=False, timeout=20) as web:
            try:
                (await web.post(f"{scheme}://api.example/", headers={"APIKEY": KEY})).raise_for_status()
            except httpx.HTTPError as error:
                errors: list[BaseException] = [error]
            else:
                assert scheme == "http"  # without a tunnel it is an answer like another
                return
    for found in errors:
        errors += [link for link in (found.__cause__, found.__context__) if link and link not in errors]
        said = f"{found} {found!r} {found.args}"
        for secret in ("p%40", "p@ss", "%D0%BF", "пrd", SHOWN, KEY):
            assert secret not in said
    assert len(errors) > 1 or scheme == "http"
