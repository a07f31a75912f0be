"""Fetching a customer's image: what is followed, what is refused, and that private networks stay private."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ideal_async.sandbox._fetch import Limits, fetch_image, is_public, resolve
from ideal_async.sandbox._studio import CannotFetch

JPEG = b"\xff\xd8\xff\xe0 and so on"

Answer = bytes | Callable[[socket.socket], None]


@contextmanager
def server_of(*answers: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """Answers one connection after the other, with raw bytes; yields its address and the requests it got."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            for answer in answers:
                connection = listener.accept()[0]
                with connection:
                    requests.append(connection.recv(65536))
                    if isinstance(answer, bytes):
                        connection.sendall(answer)
                    else:
                        answer(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        thread.join()


def http(body: bytes = JPEG, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def fetch(url: str, **options: Any) -> bytes:
    return fetch_image(url, **{"allow_private": True, **options})


def test_an_image_is_fetched() -> None:
    """The bytes as they are; the request asks for an image and for no compression."""
    with server_of(http(JPEG, "content-type: image/jpeg")) as (url, requests):
        assert fetch(f"{url}/room.jpg?size=large") == JPEG
    assert requests[0].startswith(b"GET /room.jpg?size=large HTTP/1.1")
    assert b"accept-encoding: identity" in requests[0].lower()
    assert b"apikey" not in requests[0].lower()


@pytest.mark.parametrize(
    "media_type", ["image/webp; charset=binary", "application/octet-stream", "binary/octet-stream", None]
)
def test_types_an_image_may_come_with(media_type: str | None) -> None:
    """Any image type, none at all, and what object stores call an upload without one."""
    headers = [] if media_type is None else [f"content-type: {media_type}"]
    with server_of(http(JPEG, *headers)) as (url, _):
        assert fetch(url) == JPEG


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (http(b"<html>", "content-type: text/html"), "'text/html', not an image"),
        (http(status="404 Not Found"), "HTTP 404"),
        (http(status="500 Oops"), "HTTP 500"),
        (http(status="206 Partial Content"), "HTTP 206"),
        (http(bytes(1001)), "larger than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nshort", "RemoteProtocolError"),
        (b"\x00\x01", "RemoteProtocolError"),
    ],
)
def test_what_is_no_image_is_refused(answer: bytes, told: str) -> None:
    """The wrong type, status or size, or an answer that breaks off."""
    with server_of(answer) as (url, _), pytest.raises(CannotFetch, match=told):
        fetch(url, limits=Limits(size=1000))


def test_the_size_limit_holds_for_bodies_of_unknown_length() -> None:
    """An endless body is not read to its end."""

    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        with contextlib.suppress(OSError):  # once nobody reads any more
            while True:
                connection.sendall(bytes(65536))

    with server_of(endless) as (url, _), pytest.raises(CannotFetch, match="larger than 100000 bytes"):
        fetch(url, limits=Limits(size=100_000))


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\nx-slow: ", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]
)
def test_the_time_limit_holds_wherever_the_server_stalls(begun: bytes) -> None:
    """Before the headers, within them, within the body: one deadline over all of it."""

    def dawdle(connection: socket.socket) -> None:
        connection.sendall(begun)
        assert connection.recv(1) == b""

    with server_of(dawdle) as (url, _), pytest.raises(CannotFetch, match=r"longer than 0\.1 seconds"):
        fetch(url, limits=Limits(seconds=0.1))


def test_redirects_are_followed_a_few_times() -> None:
    """Also relative ones; the fourth is one too many."""
    hop = http(b"", "location: /next", status="302 Found")
    with server_of(hop, hop, hop, http()) as (url, requests):
        assert fetch(url) == JPEG
    assert [request.split()[1] for request in requests] == [b"/", b"/next", b"/next", b"/next"]
    with server_of(hop, hop, hop, hop) as (url, _), pytest.raises(CannotFetch, match="more than 3 redirects"):
        fetch(url)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://example.com/", "gopher://x/", "http://", "http://[::1/"]
)
def test_a_redirect_leads_nowhere_else_than_http(location: str) -> None:
    """A redirect is checked like the URL the customer gave."""
    hop = http(b"", f"location: {location}", status="301 Moved")
    with server_of(hop) as (url, _), pytest.raises(CannotFetch):
        fetch(url)


@pytest.mark.parametrize("url", ["http://exa mple.com/", "http://[::1/", "http://a:99999999/", "http://\x00/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """Whatever slipped through the door."""
    with pytest.raises(CannotFetch):
        fetch(url)


def test_an_unknown_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name nobody has, and one nobody can have."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", nobody)
        with pytest.raises(CannotFetch, match=r"'no\.invalid' is unknown: .*not known"):
            resolve("no.invalid", 80)
    with pytest.raises(CannotFetch, match="is unknown"):
        resolve("x" * 300, 80)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",  # noqa: S104 - not bound
        "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1",
        "64:ff9b:1::101:101", "::7f00:1", "::a00:1", "::ffff:0:127.0.0.1", "fec0::1", "3fff::1", "5f00::1",
        "168.63.129.16", "::ffff:168.63.129.16", "100.100.100.200", "fd00:ec2::254", "192.88.99.1", "192.0.0.192",
    ],
)  # fmt: skip
def test_private_addresses_are_known(address: str) -> None:
    """Loopback, private, link-local (cloud metadata), shared, multicast, and IPv4 dressed as IPv6."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "1.1.1.1",
        "2606:2800:220:1::1",
        "::ffff:1.1.1.1",
        "64:ff9b::101:101",
        "2002:101:101::",
        "::1.1.1.1",
    ],
)
def test_public_addresses_are_known(address: str) -> None:
    """The open internet, also through IPv6."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/x.jpg",
        "http://localhost:1/x.jpg",
        "http://[::1]:1/x.jpg",
        "http://2130706433:1/",
        "http://0x7f.1:1/",
    ],
)
def test_private_hosts_are_refused_unless_allowed(url: str) -> None:
    """Named, numbered, or disguised: the address decides, before anything is connected."""
    with pytest.raises(CannotFetch, match=r"private address|is unknown"):
        fetch(url, allow_private=False)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    """Which of them a connection would take is chance."""
    mixed = [ipaddress.ip_address("93.184.216.34"), ipaddress.ip_address("10.0.0.1")]
    with pytest.raises(CannotFetch, match=r"example\.test has a private address"):
        fetch("http://example.test/", allow_private=False, resolve=lambda _host, _port: mixed)


def test_a_host_without_an_address_is_told() -> None:
    """A resolver may say "yes, and none"."""
    with pytest.raises(CannotFetch, match=r"'empty\.test' has no address"):
        fetch("http://empty.test/", allow_private=False, resolve=lambda _host, _port: [])


def test_a_redirect_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic: a public server sends the fetcher to the cloud's metadata service."""
    monkeypatch.setattr("ideal_async.sandbox._fetch.is_public", lambda address: str(address) == "127.0.0.1")
    hop = http(b"", "location: http://169.254.169.254/latest/meta-data/", status="302 Found")
    with server_of(hop) as (url, _), pytest.raises(CannotFetch, match=r"169\.254\.169\.254 has a private address"):
        fetch(url, allow_private=False)


def test_the_checked_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is resolved once: an answer that changes a moment later (DNS rebinding) is never asked for."""
    monkeypatch.setattr("ideal_async.sandbox._fetch.is_public", lambda _: True)
    asked: list[str] = []

    def resolve_once(host: str, _port: int) -> list[Any]:
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1")]

    with server_of(http()) as (url, requests):
        port = url.rpartition(":")[2]
        assert fetch(f"http://rebinding.invalid:{port}/x", allow_private=False, resolve=resolve_once) == JPEG
    assert asked == ["rebinding.invalid"]
    assert f"host: rebinding.invalid:{port}".encode() in requests[0].lower()


def test_tls_checks_the_name_not_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate must be the host's, although the connection goes to a number: the handshake names the host."""
    monkeypatch.setattr("ideal_async.sandbox._fetch.is_public", lambda _: True)
    with server_of(b"no handshake") as (url, requests):
        port = url.rpartition(":")[2]
        with pytest.raises(CannotFetch):
            fetch(
                f"https://rebinding.invalid:{port}/",
                allow_private=False,
                resolve=lambda _host, _port: [ipaddress.ip_address("127.0.0.1")],
            )
    assert b"rebinding.invalid" in requests[0]
