"""A web page to try this library on: order videos, see them queue and grow, watch them.

    python -m ideal_async.webdemo

It runs offline: the service behind it is the sandbox, on a port of its own. Needs the extra `webdemo`. The application
itself (`create_app`) is Starlette, about two hundred lines, and as good a start for yours as the recipes of the README.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._app import create_app
    from ._jobs import Board, Job
else:  # when they are used: `python -m` must be able to say which packages are missing

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import _app, _jobs

        return getattr(_app if name == "create_app" else _jobs, name)


__all__ = ["Board", "Job", "create_app"]
