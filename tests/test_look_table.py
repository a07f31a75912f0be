"""Every answer to a look and what becomes of the wait: the table that keeps a paid task from being lost."""

from typing import Any

import anyio
import httpx
import pytest
from fakes import ID, Service, answer, client_of, look

from ideal_async import ConnectionFailed, NotTheApi, Retry

pytestmark = pytest.mark.anyio

HTML = b"<html><title>Sign in</title></html>"
#: Answers of somebody in between: a portal, a gateway, a cache.
STRANGERS: list[httpx.Response] = [
    httpx.Response(200, content=HTML),
    httpx.Response(204),
    httpx.Response(200),
    httpx.Response(200, content=b'{"code": 0, "message": "success", "data": {"id"'),
    httpx.Response(200, json=[]),
    httpx.Response(302, headers={"Location": "https://portal.example/"}),
    *(httpx.Response(status, content=HTML) for status in (400, 401, 403, 404, 407, 418, 451)),
    httpx.Response(200, headers={"Content-Encoding": "br"}, content=HTML),
]


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_somebody_in_between_is_an_outage(stranger: httpx.Response, caplog: pytest.LogCaptureFixture) -> None:
    """It is ridden out like a dead network, and told once."""
    service = Service(look=[look(), *[stranger] * 6, look("Success")])
    async with client_of(service) as client:
        assert (await client.wait(ID)).succeeded
    assert len(service.requests) == 8
    assert caplog.text.count("answered in place of the API") == 1


async def test_an_outage_ends_with_the_patience_of_retry() -> None:
    """The error says who was there instead of the API, and which task it is about."""
    service = Service(look=[look(), httpx.Response(403, content=HTML, headers={"Server": "nginx"})])
    async with client_of(service, retry=Retry(outage=300)) as client:
        began = anyio.current_time()
        with pytest.raises(NotTheApi, match="Sign in") as caught:
            await client.wait(ID)
    assert (caught.value.task_id, caught.value.http_status, caught.value.answered_by) == (ID, 403, "nginx")
    assert 300 <= anyio.current_time() - began <= 400


@pytest.mark.parametrize(
    ("reply", "seconds"), [(httpx.Response(404, content=HTML), 60), (httpx.ReadError("lost"), 600)]
)
async def test_a_minute_is_enough_where_the_api_was_never_heard(reply: Any, seconds: float) -> None:
    """It is not an outage then, but a wrong base URL; a dead network is one."""
    async with client_of(Service(look=reply)) as client:
        began = anyio.current_time()
        with pytest.raises(ConnectionFailed):
            await client.wait(ID)
        assert seconds <= anyio.current_time() - began <= seconds + 100


async def test_the_api_was_heard_when_it_answered_anything() -> None:
    """An error of the API itself counts too."""
    service = Service(look=[answer(None, 1001), *[httpx.Response(404, content=HTML)] * 20, look("Success")])
    async with client_of(service) as client:
        assert (await client.wait(ID)).succeeded


async def test_the_warning_comes_back_when_the_trouble_does(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each time."""
    stranger = httpx.Response(403, content=HTML)
    service = Service(look=[look(), stranger, stranger, look(), stranger, stranger, look("Success")])
    async with client_of(service) as client:
        await client.wait(ID)
    assert caplog.text.count("answered in place of the API") == 2
