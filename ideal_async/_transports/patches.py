"""Has somebody patched httpx? Tools that watch, mock or replay requests put themselves into its classes.

A request that goes around a patched class is one that they do not see, and a test that believes its service mocked then
spends real money.
"""

from collections.abc import Callable
from operator import attrgetter, is_
from types import FunctionType
from typing import Any

import httpx


class Untouched:
    """Knows what a class is like when nobody has patched it, whenever a tool comes or goes.

    Args:
        find: The class as it is now, for it may be replaced as a whole.
        landmark: A method that nobody patches: it lies where the class is written.
        steps: Methods that tools patch.
    """

    def __init__(self, find: Callable[[], Any], landmark: str, *steps: str) -> None:
        self._find = find
        self._landmark = landmark
        self._steps = len(steps)
        # The methods and their code: a tool puts another function into the class (Sentry, vcrpy), a proxy that claims
        # to be equal to what it wraps and has its code (wrapt, for ddtrace), or other code into the same function.
        self._take_stock = attrgetter(*steps, *(f"{step}.__code__" for step in steps))
        self._class: Any = None
        self._stock: tuple[Any, ...] = ()

    def __bool__(self) -> bool:
        """Asked before each request: a microsecond."""
        cls = self._find()
        try:
            found = self._take_stock(cls)
            if cls is self._class and all(map(is_, found, self._stock)):
                return True
            home = getattr(cls, self._landmark).__code__.co_filename
        except AttributeError:  # a mock, or a version that nobody knows here
            return False
        theirs = cls.__module__.partition(".")[0] in {"httpx", "httpcore"}
        if not theirs or not all(_is_original(method, home) for method in found[: self._steps]):
            return False
        self._class, self._stock = cls, found
        return True


def _is_original(method: object, home: str) -> bool:
    """Tell whether a method is a plain function, written where its class is, that wraps nothing."""
    if type(method) is not FunctionType:  # not `isinstance`, to which a proxy lies
        return False
    names = {name.strip("_") for name in vars(method)}
    return method.__code__.co_filename == home and not names & {"wrapped", "dd_wrapped"}


def _find_pool() -> Any:
    from httpcore import AsyncConnectionPool  # as httpx does it: when a transport is made

    return AsyncConnectionPool


#: What a request passes in a client on its way to the transport, and where a transport is put in.
CLIENT = Untouched(
    lambda: httpx.AsyncClient,
    "build_request",
    *("__init__", "send", "_send_handling_auth", "_send_handling_redirects", "_send_single_request"),
    "_transport_for_url",
)
#: The transport (OpenTelemetry, pytest-httpx, vcrpy from 8 on), and what is beneath it (respx).
TRANSPORT = Untouched(lambda: httpx.AsyncHTTPTransport, "aclose", "__init__", "handle_async_request")
POOL = Untouched(_find_pool, "aclose", "handle_async_request")


def is_client_patched() -> bool:
    """Tell whether somebody watches or replays what `httpx.AsyncClient` sends: Sentry, ddtrace, old vcrpy..."""
    return not CLIENT


def is_transport_patched() -> bool:
    """Tell whether somebody watches or replays what httpx's own transport carries."""
    return not (TRANSPORT and POOL)
