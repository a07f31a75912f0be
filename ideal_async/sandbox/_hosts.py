"""Which names a sandbox answers to: somebody else's page in a browser on this machine must not be able to call it.

Such a page can point a name of its own at a loopback address (DNS rebinding), so a name counts only if nobody but us
can own it; an address in numbers cannot be pointed elsewhere.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from ._codes import FAILED, failure, write_json
from ._gallery import is_example
from ._http import Answer, Request

#: The vendor's, and the one that ASGI test clients use.
NAMES = ("api.ideal.house", "testserver")

#: Top-level domains that cannot be registered (RFC 2606).
RESERVED = ("localhost", "test", "example", "invalid")


def check_hosts(request: Request, hosts: Collection[str]) -> Answer | None:
    """A refusal if the Host or the Origin is somebody else's; *hosts* are allowed besides, "*" allows all."""
    # What is called in process does not come from a browser.
    if request.in_process or "*" in hosts:
        return None
    host = name_in(f"//{request.headers.get('host', 'localhost')}")
    if not (is_ours(host, hosts) or is_address(host) or host == request.served_as):
        return _refuse("Host", request.headers["host"], host)
    origin = request.headers.get("origin")
    if origin is not None and name_in(origin) != host and not is_ours(name_in(origin), hosts):
        return _refuse("Origin", origin, name_in(origin))
    return None


def name_in(url: str) -> str:
    """The host of a URL, in small letters; nothing if there is none.

    >>> name_in("http://LocalHost.:8000"), name_in("//[::1]:80"), name_in("null")
    ('localhost', '::1', '')
    """
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""


def is_ours(name: str, hosts: Collection[str]) -> bool:
    """Whether *name* is known: loopback, an example, the vendor's, one that nobody can register, or one of *hosts*.

    >>> is_ours("localhost", ()), is_ours("evil.com", ()), is_ours("sandbox", ["sandbox"])
    (True, False, True)
    """
    if name in hosts or name in NAMES or is_example(name) or name.rpartition(".")[2] in RESERVED:
        return True
    return is_address(name) and ipaddress.ip_address(name).is_loopback


def is_address(name: str) -> bool:
    """Whether *name* is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse(header: str, value: str, name: str) -> Answer:
    fix = f"allow it with Sandbox(hosts=[{name!r}]) or --hosts {name}" if name else "call it by its own address"
    problem = f"{FAILED.message}: this sandbox does not answer to the {header} {value[:100]!r}: {fix}"
    return Answer(403, write_json(failure(FAILED.number, problem)))
