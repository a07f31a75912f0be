"""The sandbox on a port of its own: uvicorn, in a thread for tests and demos, or in the foreground for a terminal."""

import asyncio
import contextlib
import errno
import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Generator, MutableMapping
from typing import TYPE_CHECKING, Any, cast

from ._http import EXTENSION, App, Dropped, Receive, Scope, Send
from ._sandbox import Sandbox

if TYPE_CHECKING:
    import uvicorn

#: Seconds that running requests get when the server stops: a scripted delay must not hold up the end of a test.
GRACE = 1


@contextlib.contextmanager
def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> Generator[str, None, None]:
    """Serve *sandbox* from a background thread while the block runs; yields the base URL.

    Port 0 takes any free one. The sandbox is not closed at the end. Needs the extra ``sandbox``.

    >>> with serve(Sandbox(render=False)) as base_url:
    ...     base_url.startswith("http://127.0.0.1:")
    True

    Raises:
        OSError: the port is taken, or the host is not one of this machine's; nothing was started.

    """
    with _listen(host, port) as (listener, base_url):
        started = threading.Event()
        failed: list[BaseException] = []
        server = _server(sandbox, host, started.set)

        def run() -> None:
            try:
                asyncio.run(server.serve([listener]))
            except BaseException as error:  # noqa: BLE001 - raised again, in the thread that can do something about it
                failed.append(error)
            finally:
                started.set()

        thread = threading.Thread(target=run, name="ideal-sandbox-server", daemon=True)
        thread.start()
        started.wait()
        try:
            yield base_url
        finally:
            server.should_exit = True
            thread.join()
            for error in failed:
                raise error


def serve_forever(
    sandbox: Sandbox,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    on_ready: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve *sandbox* until Ctrl-C or SIGTERM; *on_ready* is called with the base URL once it listens.

    Raises:
        OSError: the port is taken, or the host is not one of this machine's.

    """
    with _listen(host, port) as (listener, base_url):
        server = _server(sandbox, host, lambda: on_ready(base_url))

        def stop(*_: object) -> None:
            server.should_exit = True

        # uvicorn raises the signal again when it is done, for whoever had it before: that is us, so we return.
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            asyncio.run(server.serve([listener]))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach *host*.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _listen(host: str, port: int) -> Generator[tuple[socket.socket, str], None, None]:
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = f"port {port} on {host} is taken: choose another, or 0 for any free one"
        else:
            problem = f"cannot listen on {host} port {port}: {error.strerror}"
        raise OSError(error.errno, problem) from None
    with listener:
        name = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - compared, not bound
        yield listener, f"http://{name}:{listener.getsockname()[1]}"


def _server(sandbox: Sandbox, host: str, ready: Callable[[], object]) -> "uvicorn.Server":
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        sandbox.app,
        http="h11",  # one implementation, whatever else is installed: `_dropping` depends on it
        ws="none",
        lifespan="off",
        log_config=None,  # logging is the host program's business
        access_log=False,
        server_header=False,
        date_header=False,  # ours: an answer's own date may be the subject
        timeout_graceful_shutdown=GRACE,
    )
    config.load()
    # Outermost: at the level TRACE uvicorn wraps what sends, and then it belongs to no connection.
    loaded = cast("App", config.loaded_app)  # pyright: ignore[reportUnknownMemberType]  # uvicorn's words
    config.loaded_app = _dropping(loaded, {"local": is_loopback(host), "served_as": host})
    return Server(config)


def _dropping(app: App, known: dict[str, Any]) -> App:
    """*app*, told what is *known*, with connections that die where it raises `Dropped`."""

    async def dropping(scope: Scope, receive: Receive, send: Send) -> None:
        # The object that `send` belongs to knows of the connection; ASGI has no words for it.
        exchange: Any = send.__self__  # type: ignore[attr-defined]

        async def send_while_heard(message: MutableMapping[str, Any]) -> None:
            if exchange.disconnected:
                raise Dropped  # uvicorn would go on in silence, and an endless body for ever
            await send(message)

        try:
            await app({**scope, "extensions": {EXTENSION: known}}, receive, send_while_heard)
        except (Dropped, asyncio.CancelledError):  # cancelled: the server's grace is over
            exchange.transport.close()
            # uvicorn would report a missing answer unless it knows that the connection is gone.
            message: Any = {"type": "http.request"}
            while message["type"] != "http.disconnect":
                message = await receive()

    return dropping
