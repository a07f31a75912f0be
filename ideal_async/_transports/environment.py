"""What the environment says of the way out: proxies, and whom to trust."""

import os
import ssl
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.request import getproxies, proxy_bypass

import httpx

#: Schemes of a proxy that httpx knows.
_SCHEMES = {"http", "https", "socks5", "socks5h"}
_VARIABLE = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "all": "ALL_PROXY"}


def trusted() -> ssl.SSLContext:
    """Read the certificates of whom to trust.

    Raises:
        ValueError: Those that `SSL_CERT_FILE` or `SSL_CERT_DIR` names cannot be read.
    """
    try:
        return httpx.create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        name = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise ValueError(f"{name} names certificates that cannot be read ({error}): correct it, or unset it") from error


class Proxies:
    """Which proxy of the environment is for which URL: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, but not `NO_PROXY`.

    Raises:
        ValueError: One of them cannot be used; the variable is named.
    """

    def __init__(self) -> None:
        found = getproxies()
        self._by_scheme = {name: _checked(url, name) for name, url in found.items() if name in _VARIABLE and url}

    def __bool__(self) -> bool:
        return bool(self._by_scheme)

    def for_url(self, url: httpx.URL) -> str | None:
        """Return the proxy for a URL; `None`: straight there."""
        proxy = self._by_scheme.get(url.scheme, self._by_scheme.get("all"))
        if proxy is None or is_loopback(url.host) or proxy_bypass(url.host):
            return None
        return proxy

    def variables(self, *schemes: str) -> list[str]:
        """Return the names of the variables whose proxies speak one of *schemes*."""
        return [_VARIABLE[name] for name, url in self._by_scheme.items() if httpx.URL(url).scheme in schemes]


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, where no proxy is needed and nobody listens."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _checked(url: str, name: str) -> str:
    url = url if "://" in url else f"http://{url}"
    try:
        parts = httpx.URL(url)
        known = parts.scheme in _SCHEMES and bool(parts.host)
    except httpx.InvalidURL:
        known = False
    if not known:  # without its value, which may hold a password
        raise ValueError(f"{_VARIABLE[name]} is no URL of a proxy, such as http://proxy.example:3128: mend or unset it")
    if url.startswith("socks") and find_spec("socksio") is None:
        raise ValueError(f"{_VARIABLE[name]} names a SOCKS proxy, which needs socksio: pip install 'httpx[socks]'")
    return url


class EnvironmentTransport(httpx.AsyncBaseTransport):
    """Sends each request by the proxy that the environment has for its URL, or straight there.

    Args:
        proxies: Of the environment.
        verify: Whom to trust.
        limits: Of each pool.
    """

    def __init__(self, proxies: Proxies, *, verify: ssl.SSLContext, limits: httpx.Limits) -> None:
        self._proxies = proxies
        self._verify = verify
        self._limits = limits
        self._pools: dict[str | None, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        return await self.pool(self._proxies.for_url(request.url)).handle_async_request(request)

    def pool(self, proxy: str | None) -> httpx.AsyncHTTPTransport:
        """Return the connections to one proxy; `None`: those to where requests go."""
        if proxy not in self._pools:
            self._pools[proxy] = httpx.AsyncHTTPTransport(verify=self._verify, limits=self._limits, proxy=proxy)
        return self._pools[proxy]

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()
