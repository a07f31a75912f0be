"""What cannot carry requests is refused before there is one: by what it is, in one line with the fix."""

import inspect
import logging
from typing import Any

import httpx

logger = logging.getLogger("ideal_async")


def check_http_client(http_client: object) -> None:
    """Refuse what is no client of httpx's kind for asyncio and trio, and warn of response hooks.

    Raises:
        TypeError: It is none.
    """
    name = _name_of(http_client)
    if inspect.isclass(http_client):
        raise TypeError(f"http_client is the class {name}: pass an object of it, {name}()")
    if hasattr(http_client, "handle_async_request") or hasattr(http_client, "handle_request"):
        raise TypeError(f"http_client is a transport ({name}): pass it as transport=")
    if hasattr(http_client, "transport") and hasattr(http_client, "app"):
        raise TypeError(f"http_client is a {name}: pass transport=sandbox.transport")
    if isinstance(http_client, httpx.Client) or not hasattr(type(http_client), "__aenter__"):
        raise TypeError(f"http_client is a {name}, which is not for async code: pass an httpx.AsyncClient")
    for needed in ("build_request", "send", "is_closed"):
        if not hasattr(http_client, needed):
            raise TypeError(f"http_client is a {name}, which has no {needed}: pass an httpx.AsyncClient")
    hooks: Any = getattr(http_client, "event_hooks", {})
    if hooks.get("response"):
        logger.warning(
            "http_client has response hooks: one that raises hides what the API said, and a submit may then be in doubt"
        )


def check_transport(transport: object) -> None:
    """Refuse what is no transport of httpx for asyncio and trio.

    Raises:
        TypeError: It is none.
    """
    name = _name_of(transport)
    if inspect.isclass(transport):
        raise TypeError(f"transport is the class {name}: pass an object of it, {name}()")
    if hasattr(transport, "handle_async_request"):
        return
    if hasattr(transport, "transport") and hasattr(transport, "app"):
        raise TypeError(f"transport is a {name}: pass its transport, as in transport=sandbox.transport")
    if hasattr(transport, "build_request"):
        raise TypeError(f"transport is a client ({name}): pass it as http_client=")
    if hasattr(transport, "handle_request"):
        raise TypeError(f"transport is a {name}, which is not for async code: pass an httpx.AsyncHTTPTransport")
    raise TypeError(f"transport is a {name}: pass a transport of httpx, such as httpx.AsyncHTTPTransport()")


def _name_of(thing: object) -> str:
    return thing.__name__ if isinstance(thing, type) else type(thing).__name__
