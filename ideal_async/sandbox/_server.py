"""The sandbox on a socket: uvicorn, in the foreground or in a thread."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._http import Dropped, Receive, Scope, Send

if TYPE_CHECKING:
    from ._sandbox import Sandbox


@contextlib.contextmanager
def serve(sandbox: "Sandbox", host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve *sandbox* from a background thread; yields the base URL."""
    import uvicorn

    async def app(scope: Scope, receive: Receive, send: Any) -> None:
        try:
            await sandbox.app(scope, receive, send)
        except Dropped:
            send.__self__.transport.close()
            while (await receive())["type"] != "http.disconnect":
                pass

    with socket.create_server((host, port)) as listener:
        config = uvicorn.Config(app, log_level="warning", lifespan="off", http="h11", loop="asyncio", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
