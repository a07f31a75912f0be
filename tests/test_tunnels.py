"""Behind a proxy whose tunnels break: what they cost a pool comes back when the proxy is well again. Real sockets, TLS.

httpcore 1.0.9 loses the slot of a connection for ever when its TLS fails inside a tunnel.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx
import pytest
import trustme
from anyio.streams.tls import TLSStream
from fakes import ID, KEY, ROOM, http, loopback, read_request

from ideal_async import AsyncClient, ConnectionFailed, Retry
from ideal_async import _session as rooms

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.usefixtures("real_time")]

API = "https://api.example"
ONCE = Retry(attempts=1, wait_initial=0.0)
CREATED = b'{"code":0,"data":%d}' % ID
PROCESSING = b'{"code":0,"data":{"status":"Processing","percentage":30,"output":null}}'


def garbage(stream: anyio.abc.SocketStream) -> Any:
    """What is no TLS."""
    return stream.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def hang_up(stream: anyio.abc.SocketStream) -> Any:
    """Nothing any more."""
    return stream.send_eof()


class Proxy:
    """Opens each tunnel; if *broken*, this comes out of it, else the API answers there.

    Attributes:
        broken: How tunnels break.
        tunnels: That were asked for.
        requests: That arrived at the API.
        hold: What comes from now on is answered after it.
        closed: Tunnels that the client has closed.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self.broken: Callable[[anyio.abc.SocketStream], Any] | None = None
        self.tunnels = self.closed = 0
        self.requests: list[bytes] = []
        self.hold: anyio.Event | None = None

    async def __call__(self, stream: anyio.abc.SocketStream) -> None:
        """Serve one connection."""
        try:
            await read_request(stream)
            self.tunnels += 1
            await stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            if self.broken is not None:
                await self.broken(stream)
                return
            tunnel: Any = await TLSStream.wrap(
                stream, server_side=True, ssl_context=self._tls, standard_compatible=False
            )
            while True:
                request = await read_request(tunnel)
                self.requests.append(request)
                if self.hold is not None:
                    await self.hold.wait()
                await tunnel.send(http(CREATED if request.startswith(b"POST") else PROCESSING))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.closed += 1


async def until(true: Callable[[], bool]) -> None:
    """Wait for what happens behind a socket."""
    with anyio.fail_after(30):
        while not true():  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.01)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def proxy(ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """Nobody waits ten seconds for a connection that a pool will never have."""
    for name in ("SUBMIT_TIMEOUT", "LOOK_TIMEOUT"):
        monkeypatch.setattr(rooms, name, (*getattr(rooms, name)[:3], 0.1))
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("api.example").configure_cert(tls)
    return Proxy(tls)


@pytest.mark.parametrize("breaks", [garbage, hang_up])
@pytest.mark.parametrize("fast", [False, True])
async def test_submits_go_on_when_a_proxy_is_well_again(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, *, breaks: Callable[[Any], Any], fast: bool
) -> None:
    """However many tunnels broke before; nothing was sent in any of them, and that is known."""
    proxy.broken = breaks
    async with loopback(proxy) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        more = {}
        if fast:
            more["transport"] = pytest.importorskip("ideal_async.fast", exc_type=ImportError).FastTransport()
        async with AsyncClient(KEY, base_url=API, retry=ONCE, **more) as client:
            for _ in range(9):
                with pytest.raises(ConnectionFailed):
                    await client.submit(ROOM)
                with pytest.raises(ConnectionFailed):
                    await client.fetch(ID)
            assert client.ledger.unknown == client.ledger.reserved == 0
            proxy.broken = None
            assert [await client.submit(ROOM) for _ in range(6)] == [ID] * 6
            assert client.ledger.unknown == 0
            assert (await client.fetch(ID)).percentage == 30
    assert len(proxy.requests) == 7


async def test_what_runs_in_a_pool_that_is_replaced_ends_in_it(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four slots are lost, one waits for its answer: that still comes, and then the old pool is closed."""
    async with loopback(proxy) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        async with AsyncClient(KEY, base_url=API, retry=ONCE) as client:
            await client.submit(ROOM)  # from now on four at once
            proxy.hold = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.submit, ROOM)
                await until(lambda: len(proxy.requests) == 2)
                proxy.broken = garbage
                for _ in range(3):
                    with pytest.raises(ConnectionFailed):
                        await client.submit(ROOM)
                proxy.broken = None
                tasks.start_soon(client.submit, ROOM)  # finds no slot, so the pool is replaced
                await until(lambda: len(proxy.requests) == 3)
                closed = proxy.closed
                proxy.hold.set()
            await until(lambda: proxy.closed > closed)
            assert (client.ledger.spent, client.ledger.unknown) == (3 * 20, 0)
            assert await client.submit(ROOM) == ID


async def test_looks_go_on_beside_tunnels_that_broke(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three lanes break, one waits for its answer: that still comes, and the next look has a lane at once."""
    async with loopback(proxy) as url:
        monkeypatch.setenv("HTTPS_PROXY", url)
        proxy.hold = anyio.Event()
        async with AsyncClient(KEY, base_url=API, retry=ONCE, max_requests_at_once=3) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.fetch, 1)
                await until(lambda: len(proxy.requests) == 1)
                proxy.broken = garbage
                for task_id in (2, 3):
                    with pytest.raises(ConnectionFailed):
                        await client.fetch(task_id)
                proxy.broken = None
                tasks.start_soon(client.fetch, 4)
                await until(lambda: len(proxy.requests) == 2)
                assert proxy.closed == 0
                proxy.hold.set()
            assert (await client.fetch(5)).percentage == 30
        await until(lambda: proxy.closed == 2)
    assert proxy.tunnels == 4


async def test_a_users_own_client_is_left_alone_and_named(proxy: Proxy) -> None:
    """It may be shared with others: whoever made it makes another."""
    proxy.broken = garbage
    limits = httpx.Limits(max_connections=2)
    async with loopback(proxy) as url, httpx.AsyncClient(proxy=url, limits=limits) as http_client:
        async with AsyncClient(KEY, base_url=API, http_client=http_client, retry=ONCE) as client:
            for _ in range(2):
                with pytest.raises(ConnectionFailed):
                    await client.submit(ROOM)
            proxy.broken = None
            with pytest.raises(ConnectionFailed, match=r"PoolTimeout.*has lost slots.*make a new one"):
                await client.submit(ROOM)
            assert client.ledger.unknown == 0
        assert not http_client.is_closed
    assert (proxy.tunnels, proxy.requests) == (2, [])
