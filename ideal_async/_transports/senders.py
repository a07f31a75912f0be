"""The ways out: which transport carries submits, looks and downloads, and how a request of ours is put to it."""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol, Self

import httpx

from .body import WholeAnswers
from .check import check_http_client, check_transport
from .environment import EnvironmentTransport, Proxies, trusted
from .lanes import LaneTransport
from .patches import is_client_patched
from .pool import RenewedTransport
from .proof import qualified_name

#: A crash leaves at most this many POSTs, and their credits, in doubt.
POSTS_AT_ONCE = 4
#: Downloads in flight, beside the API's requests.
DOWNLOADS_AT_ONCE = 10
#: Seconds. A connection idle for longer may have been closed by the other side; a POST takes a fresh one instead, so
#: that a stale keep-alive does not leave it in doubt.
JUST_USED = 2.0
#: Seconds between two looks for which a connection is kept: a little over `Pacing.min_interval` and a poll every 60 s.
KEEP_ALIVE = 75.0


class Sender(Protocol):
    """What sends requests of the API: an `httpx.AsyncClient`, or the little of one that they need."""

    @property
    def is_closed(self) -> bool:
        """Nothing goes out any more."""
        ...

    def build_request(
        self,
        method: str,
        url: str,
        *,
        timeout: tuple[float, float, float, float],
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Make a request; *timeout*: seconds to connect, read, write, and get a connection."""
        ...

    async def send(self, request: Any, *, stream: bool, follow_redirects: bool) -> Any:
        """Send it; the answer's body is still to be read."""
        ...

    def carrier(self, request: Any) -> object:
        """Return the transport that carries a request: its failures are told apart by what is known of it."""
        ...


class ClientSender:
    """Sends by an `httpx.AsyncClient`, or one of a call-compatible fork."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.build_request = client.build_request
        self.send = client.send

    @property
    def is_closed(self) -> bool:
        """Nothing goes out any more."""
        closed: bool = self._client.is_closed
        return closed

    def has_response_hooks(self) -> bool:
        """Tell whether code of the user's sees an answer before we do."""
        return bool(getattr(self._client, "event_hooks", {}).get("response"))

    def carrier(self, request: Any) -> object:
        """Return the transport that carries a request; `None`: nobody knows."""
        if qualified_name(self._client.__class__) not in _PLAIN_CLIENTS:  # it may send in its own way
            return None
        find: Any = getattr(self._client, "_transport_for_url", None)  # there is no public way to ask
        return None if find is None else find(request.url)


#: Clients that hand a request to one transport, once.
_PLAIN_CLIENTS = {"httpx.AsyncClient", "httpx2.AsyncClient", "httpx_aiohttp.HttpxAiohttpClient"}


#: A task is looked at several times, always at the same URL, and parsing it is half of what making a request costs.
#: A thousand of them are under a megabyte, whatever number of tasks there is.
_parsed = lru_cache(maxsize=1000)(httpx.URL)


class DirectSender:
    """Puts requests straight to a transport.

    What an `httpx.AsyncClient` adds around it (cookies, redirects, authentication, a log of full URLs) is nothing that
    the API needs, and costs a tenth of a millisecond of CPU a request. But tools that watch or replay requests patch
    that class, and what goes around it they do not see: where one of them is at work, requests go through it.

    Args:
        transport: Carries them.
        through_httpx: Always go through that class.
    """

    is_closed = False  # it is closed with the client, whose requests are over by then

    def __init__(self, transport: httpx.AsyncBaseTransport, *, through_httpx: bool = False) -> None:
        self._transport = transport
        self._through_httpx = through_httpx
        self._client: httpx.AsyncClient | None = None
        self._headers = httpx.Headers({"Connection": "keep-alive"})

    def build_request(
        self,
        method: str,
        url: str,
        *,
        timeout: tuple[float, float, float, float],
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Request:
        """Make a request; *timeout*: seconds to connect, read, write, and get a connection."""
        times = dict(zip(("connect", "read", "write", "pool"), timeout, strict=True))
        request = httpx.Request(
            method, _parsed(url), headers=self._headers, content=content, extensions={"timeout": times}
        )
        if headers is not None:
            request.headers.update(headers)
        return request

    @staticmethod
    def repeat(request: httpx.Request, url: str) -> httpx.Request:
        """Make one more such request for another URL of the same host; a new one costs three times as much."""
        extensions = {**request.extensions, "timeout": dict(request.extensions["timeout"])}  # a transport may change it
        again = httpx.Request(
            request.method, _parsed(url), headers=request.headers, stream=request.stream, extensions=extensions
        )
        again.read()
        return again

    async def send(self, request: httpx.Request, *, stream: bool, follow_redirects: bool) -> httpx.Response:
        """Send it; a redirect is an answer like another.

        Its body is still to be read, unless it goes through a client: tools that look at answers there may take it that
        they have been read (vcrpy before 6), so they have.
        """
        if self._through_httpx or is_client_patched():
            if self._client is None or type(self._client) is not httpx.AsyncClient:  # a tool may replace the class
                self._client = httpx.AsyncClient(transport=WholeAnswers(self._transport), trust_env=False)
            return await self._client.send(request, stream=False, follow_redirects=follow_redirects)
        del stream
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response

    def carrier(self, request: object) -> httpx.AsyncBaseTransport:
        """Return the transport."""
        del request
        return self._transport


class Transports:
    """All ways out of one client.

    Attributes:
        posts: For submits, which want fresh connections.
        looks: For looks, which want lasting ones. May be the same.
        web: For downloads: an `httpx.AsyncClient`, since those follow redirects.
    """

    def __init__(
        self,
        posts: Sender,
        looks: Sender,
        web: httpx.AsyncClient,
        *,
        own: Sequence[httpx.AsyncClient | httpx.AsyncBaseTransport],
    ) -> None:
        self.posts = posts
        self.looks = looks
        self.web = web
        self._own = own

    @classmethod
    def of_client(cls, http_client: httpx.AsyncClient) -> Self:
        """Send everything by the user's own client, which the user closes."""
        check_http_client(http_client)
        sender = ClientSender(http_client)
        return cls(sender, sender, http_client, own=[])

    @classmethod
    def of_transport(cls, transport: httpx.AsyncBaseTransport, *, through_httpx: bool = False) -> Self:
        """Send everything by one transport."""
        check_transport(transport)
        sender, web = DirectSender(transport, through_httpx=through_httpx), httpx.AsyncClient(transport=transport)
        return cls(sender, sender, web, own=[web])

    @classmethod
    def of_our_own(cls, base_url: httpx.URL, *, through_httpx: bool = False) -> Self:
        """Connections for each kind of request: as many as are sent at once.

        Submits want fresh ones, looks lasting ones, and downloads go to another host.
        """
        # A proxy of the environment is not for loopback, and plain http would show it the key.
        proxies = Proxies() if base_url.scheme == "https" else None
        tls = trusted()  # reads the certificates once

        def maker(**limits: Any) -> Callable[[], httpx.AsyncBaseTransport]:
            made = httpx.Limits(**limits)
            if proxies:
                return partial(EnvironmentTransport, proxies, verify=tls, limits=made)
            return partial(httpx.AsyncHTTPTransport, verify=tls, limits=made)

        posts = RenewedTransport(maker(max_connections=POSTS_AT_ONCE, keepalive_expiry=JUST_USED), size=POSTS_AT_ONCE)
        looks = LaneTransport(maker(max_connections=1, keepalive_expiry=KEEP_ALIVE), keep_alive=KEEP_ALIVE)
        downloads = RenewedTransport(maker(max_connections=DOWNLOADS_AT_ONCE), size=DOWNLOADS_AT_ONCE)
        web = httpx.AsyncClient(transport=downloads, trust_env=False)
        sender = partial(DirectSender, through_httpx=through_httpx)
        return cls(sender(posts), sender(looks), web, own=[posts, looks, web])

    async def aclose(self) -> None:
        """Close what is ours."""
        for each in self._own:
            await each.aclose()
