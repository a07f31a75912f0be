"""The ways out: straight to the transport where nothing has to lie between."""

import json

import httpx
import pytest
from fakes import BASE_URL, GENERATE, ID, KEY, ROOM, Service, answer, look

from ideal_async import AsyncClient, ConnectionFailed
from ideal_async._credentials import check_base_url
from ideal_async._transports import ClientSender, DirectSender, Transports

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
TIMEOUT = (1.0, 2.0, 3.0, 4.0)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_straight_request_is_the_one_that_httpx_would_make() -> None:
    """Address, method, body, timeouts and headers; only more encodings may be asked for by a client."""
    url, more = f"{BASE_URL}{GENERATE}", {"Content-Type": "application/json"}
    client = httpx.AsyncClient()
    ours = DirectSender(httpx.AsyncHTTPTransport()).build_request(
        "POST", url, timeout=TIMEOUT, content=b"{}", headers=more
    )
    theirs = client.build_request("POST", url, timeout=TIMEOUT, content=b"{}", headers=more)
    assert (ours.method, ours.url, ours.content) == (theirs.method, theirs.url, theirs.content)
    assert ours.extensions == theirs.extensions
    for request in (ours, theirs):
        del request.headers["Accept-Encoding"]
    theirs.headers.pop("Accept")  # the session says what it accepts, to every sender
    assert ours.headers == theirs.headers


@pytest.mark.anyio
async def test_a_redirect_is_an_answer_like_another() -> None:
    """Nobody follows it: the key would go along."""
    moved = httpx.Response(307, headers={"Location": "https://elsewhere.example/"})
    service = Service(look=moved, file=answer(ID))
    sender = Transports.of_transport(service).looks
    request = sender.build_request("GET", f"{BASE_URL}/api/v1/imageToVideo/result", timeout=TIMEOUT)
    response = await sender.send(request, stream=True, follow_redirects=True)
    assert response.status_code == 307
    assert response.request is request
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("base_url", "proxy", "straight"),
    [
        (BASE_URL, None, True),
        (BASE_URL, "http://proxy.example:3128", False),
        ("http://127.0.0.1:8000", "http://proxy.example:3128", True),
    ],
)
def test_a_proxy_of_the_environment_is_heeded_but_not_for_loopback(
    monkeypatch: pytest.MonkeyPatch, base_url: str, proxy: str | None, straight: bool
) -> None:
    """Which proxy is for which host httpx.AsyncClient knows; over plain http a proxy would read the key."""
    if proxy is not None:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("HTTP_PROXY", proxy)
    transports = Transports.of_our_own(check_base_url(base_url), requests_at_once=3)
    for sender in (transports.posts, transports.looks):
        assert isinstance(sender, DirectSender if straight else ClientSender)
    if not straight:
        for client in (getattr(transports.posts, "_client", None), transports.web):
            assert isinstance(client, httpx.AsyncClient)
            transport = client._transport_for_url(httpx.URL(base_url))
            assert isinstance(transport, httpx.AsyncHTTPTransport)
            assert "Proxy" in type(transport._pool).__name__


class Picky(httpx.AsyncClient):
    """Somebody's client that refuses to make some requests."""

    def build_request(self, method: str, *args: object, **more: object) -> httpx.Request:
        if method == "POST":
            raise LookupError(f"no route for {KEY}")
        return super().build_request(method, *args, **more)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_an_http_client_that_cannot_make_a_request_has_sent_nothing() -> None:
    """The caller is told so, the key is covered, nothing is spent, and everybody else goes on."""
    service = Service(submit=answer(ID), look=look())
    async with (
        Picky(transport=service) as http_client,
        AsyncClient(KEY, base_url=BASE_URL, http_client=http_client) as client,
    ):
        with pytest.raises(ConnectionFailed, match=r"cannot make this request \(LookupError: no route for <API key>\)"):
            await client.submit(ROOM)
        assert repr(client.ledger) == "Ledger(reserved=0, spent=0, refunded=0, unknown=0)"
        assert (await client.fetch(ID)).id == ID
    assert service.submits == []


@pytest.mark.anyio
async def test_a_client_over_a_transport_sends_the_pages_requests() -> None:
    """With the key, which is no default of anything that downloads."""
    service = Service(submit=answer(ID), look=look("Success"))
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service) as client:
        await client.generate(ROOM)
        assert "APIKEY" not in client._transports.web.headers
    post, get = service.requests
    assert [request.headers["APIKEY"] for request in (post, get)] == [KEY, KEY]
    assert [request.headers["Accept"] for request in (post, get)] == ["application/json"] * 2
    assert json.loads(post.content)["resolution"] == "720p"
