"""A web page to try this library on: order videos, see them queue and grow, watch them.

    python -m ideal_async.webdemo

It runs offline: the service behind it is the sandbox, on a port of its own. Needs the extra `webdemo`. The application
itself (`create_app`) is Starlette, about two hundred lines, and as good a start for yours as the recipes of the README.
"""

from ._app import create_app
from ._jobs import Board, Job

__all__ = ["Board", "Job", "create_app"]
