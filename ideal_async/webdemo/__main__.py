"""`python -m ideal_async.webdemo`: the page, the application and the service behind it, offline."""

import argparse
import signal
import socket
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

#: The sandbox brings these photographs along.
ROOMS = ("living", "bedroom", "kitchen", "dining", "study", "loft", "bath")
#: Credits of the demo: a few dozen videos.
CREDITS = 1000
#: Seconds that open streams get when the server stops; they end by themselves.
GRACE = 2
NEEDS = "the demo needs more packages: pip install 'ideal-async[webdemo]'"


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m ideal_async.webdemo", description="Order videos on a web page, offline."
    )
    parser.add_argument("--port", type=int, default=8100, help="of the page; 0 for any free one (default: %(default)s)")
    parser.add_argument("--images", type=Path, help="a folder with photographs of yours")
    parser.add_argument("--speed", type=float, default=5.0, help="times the real service's (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="videos made at once; the rest queues (default: 2)")
    parser.add_argument("--credits", type=int, default=CREDITS, help="on the account (default: %(default)s)")
    return parser.parse_args(arguments)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Go on."""
    del number, frame


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    options = read_arguments(arguments)
    try:
        import uvicorn

        from ideal_async import AsyncClient, Budget, Journal, Pacing
        from ideal_async.sandbox import Sandbox, serve

        from ._app import create_app
        from ._jobs import Board
    except ImportError as error:
        sys.stderr.write(f"{NEEDS} ({error})\n")
        return 2

    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="ideal-async-webdemo-")))
        sandbox = stack.enter_context(
            Sandbox(speed=options.speed, workers=options.workers, credits=options.credits, images=options.images)
        )
        service = stack.enter_context(serve(sandbox))
        names = sandbox.images or [f"{room}-{light}.jpg" for room in ROOMS for light in ("day", "night")]
        photos = [(f"https://example.com/{name}", f"{service}/images/{name}") for name in names]
        budget, board = Budget(options.credits), Board()
        connect = partial(
            AsyncClient,
            sandbox.api_key,
            base_url=service,
            pacing=Pacing(min_interval=0.5, max_interval=2.0),
            journal=stack.enter_context(Journal(folder / "journal.db")),
            budget=budget,
        )

        class Server(uvicorn.Server):
            def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                board.close()
                super().handle_exit(sig, frame)

        app = create_app(connect, budget=budget, folder=folder, photos=photos, board=board)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", options.port)))
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE)
        # uvicorn raises the signal once more when it is done; then it is ours, and means: clean up and return.
        for stop in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, stop, signal.signal(stop, _ignore))
        sys.stdout.write(f"Open http://127.0.0.1:{listener.getsockname()[1]}  (Ctrl-C ends it)\n")
        sys.stdout.flush()
        Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
