"""Fetching a customer's image: limited in size, time, type and hops, and kept away from private networks."""

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urljoin

import attrs
import httpx

from ._studio import CannotFetch

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolve = Callable[[str, int], list[Address]]


@attrs.frozen
class Limits:
    """How much is done for one image."""

    #: Bytes of the file. A photograph of 50 megapixels as JPEG is about this large.
    size: int = 25 * 1024 * 1024
    #: Seconds from the first connection to the last byte, over all hops.
    seconds: float = 20.0
    #: Redirects followed; each is checked like the first URL.
    redirects: int = 3


def resolve(host: str, port: int) -> list[Address]:
    """Every address of *host*, as the system's resolver says.

    Raises:
        CannotFetch: there is none.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotFetch(f"the host {host!r} is unknown: {error}") from None
    # A link-local IPv6 address may come with a zone ("fe80::1%eth0"); the zone does not change what it is.
    return [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]


#: Not of the open internet, whatever this Python's standard library says (IANA's special-purpose registries, 2025).
RESERVED = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata is among them
        "192.88.99.0/24",  # relays of 6to4, given up
        "168.63.129.16/32",  # Azure's way to the host; other clouds' metadata is link-local or private
        "100.100.100.200/32",  # Alibaba's metadata
        "64:ff9b:1::/48",  # NAT64 of a local network
        "fec0::/10",  # site-local, of old
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
]


def is_public(address: Address) -> bool:
    """Whether *address* is on the open internet: not private, loopback, link-local, multicast or otherwise reserved."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
    if any(address in network for network in RESERVED):
        return False
    return address.is_global and not address.is_multicast


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address in IPv6's clothes: mapped, translated, compatible (the bare 32 bits), 6to4, NAT64."""
    if any(address in ipaddress.ip_network(network) for network in ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96")):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def fetch_image(
    url: str,
    *,
    allow_private: bool,
    limits: Limits = Limits(),
    resolve: Resolve = resolve,
) -> bytes:
    """The bytes of the image behind *url*. Blocking, for a thread.

    Unless *allow_private*, every address of the host must be public, and the connection goes to the very address that
    was checked: a name that resolves differently a moment later (DNS rebinding) gains nothing.

    Raises:
        CannotFetch: it cannot be had, or may not; the message says why.

    """
    # Without private addresses no proxy either: it would resolve the name again, for itself.
    client = httpx.AsyncClient(trust_env=allow_private, verify=_trusted())
    # A loop of our own, in this thread: only a cancelled await ends a server that sends a byte now and then.
    return asyncio.run(_fetch(client, url, limits, None if allow_private else resolve))


@functools.cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reading the certificates takes longer than most pictures


def _build(url: str) -> httpx.Request:
    try:
        # Pictures are compressed already; taking no encoding keeps "a small answer that unpacks to gigabytes" out.
        request = httpx.Request("GET", url, headers={"accept": "image/*", "accept-encoding": "identity"})
    except (httpx.InvalidURL, ValueError) as error:
        raise CannotFetch(f"not a URL: {error}") from None
    if request.url.scheme not in {"http", "https"} or not request.url.host:
        raise CannotFetch("only http and https URLs are fetched")
    return request


def _pin(request: httpx.Request, resolve: Resolve) -> None:
    host = request.url.host
    addresses = resolve(host, request.url.port or {"http": 80, "https": 443}[request.url.scheme])
    if not addresses:
        raise CannotFetch(f"the host {host!r} has no address")
    if not all(map(is_public, addresses)):
        raise CannotFetch(f"{host} has a private address, which this sandbox does not fetch from")
    # The name stays in the Host header (already set) and, for TLS, in the certificate's check.
    request.url = request.url.copy_with(host=str(addresses[0]))
    request.extensions = {**request.extensions, "sni_hostname": host}


async def _fetch(client: httpx.AsyncClient, url: str, limits: Limits, resolve: Resolve | None) -> bytes:
    """Through the redirects to the content; hosts are checked if there is *resolve*."""
    try:
        async with asyncio.timeout(limits.seconds), client:
            for _ in range(limits.redirects + 1):
                request = _build(url)
                if resolve is not None:
                    _pin(request, resolve)
                answer = await _exchange(client, request, limits)
                if isinstance(answer, bytes):
                    return answer
                url = urljoin(url, answer)
    except TimeoutError:
        raise CannotFetch(f"it took longer than {limits.seconds} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CannotFetch(f"{type(error).__name__}: {error}") from None
    raise CannotFetch(f"more than {limits.redirects} redirects")


async def _exchange(client: httpx.AsyncClient, request: httpx.Request, limits: Limits) -> bytes | str:
    """The content, or the location that a redirect names."""
    answer = await client.send(request, stream=True)
    try:
        if answer.has_redirect_location:
            return answer.headers["location"]
        _check(answer)
        content = bytearray()
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > limits.size:
                raise CannotFetch(f"it is larger than {limits.size} bytes")
        return bytes(content)
    finally:
        await answer.aclose()


def _check(answer: httpx.Response) -> None:
    if answer.status_code != HTTPStatus.OK:
        raise CannotFetch(f"its server answered HTTP {answer.status_code}")
    media_type = answer.headers.get("content-type", "image/*").partition(";")[0].strip().lower()
    # Object stores call an upload without a type octet-stream; the decoder looks at the bytes anyway.
    if not media_type.startswith("image/") and media_type not in {"application/octet-stream", "binary/octet-stream"}:
        raise CannotFetch(f"its server calls it {media_type!r}, not an image")
