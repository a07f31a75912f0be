"""Every way a paid request can end and what may be done about it: the table that keeps money from being spent twice."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpcore
import httpx
import pytest
from fakes import HALF_READ

from ideal_async import (
    ApiError,
    AsyncClient,
    ConnectionFailed,
    ContentRejected,
    IdealError,
    ImageToVideo,
    InvalidRequest,
    NotTheApi,
    OutOfCredits,
    RateLimited,
    RequestFailed,
    Retry,
    ServerError,
    SubmissionUnknown,
    Unauthorized,
)

pytestmark = pytest.mark.anyio

ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")
ATTEMPTS = 4

#: Every exception with which httpx can end a request.
HTTPX = sorted(
    {cls.__name__ for cls in vars(httpx).values() if isinstance(cls, type) and issubclass(cls, httpx.RequestError)}
)


class Once(httpx.AsyncBaseTransport):
    """Ends each POST in the same way, and counts them."""

    def __init__(self, end: Callable[[], httpx.Response]) -> None:
        self._end = end
        self.posts = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.posts += 1
        return self._end()


class Honest(Once):
    """Says itself which of its failures prove that nothing was sent."""

    def sent_nothing(self, error: BaseException) -> bool:
        """Nothing ever was."""
        return isinstance(error, httpx.RequestError)


async def submit(end: Callable[[], httpx.Response]) -> tuple[int | IdealError, int]:
    """Submit once: the id or the error, and how many POSTs it took."""
    transport = Once(end)
    async with AsyncClient("key", transport=transport, retry=Retry(attempts=ATTEMPTS)) as client:
        outcome: int | IdealError
        try:
            outcome = await client.submit(ROOM)
        except IdealError as error:
            outcome = error
        books = client.ledger.spent, client.ledger.reserved, client.ledger.unknown
    doubtful = isinstance(outcome, SubmissionUnknown)
    assert books == (10 if isinstance(outcome, int) else 0, 0, 10 if doubtful else 0)
    return outcome, transport.posts


@pytest.mark.parametrize("name", HTTPX)
async def test_every_exception_behind_the_last_byte(name: str) -> None:
    """What is not proven to be unsent is sent once, and in doubt."""

    def end() -> httpx.Response:
        raise getattr(httpx, name)("lost")

    outcome, posts = await submit(end)
    assert isinstance(outcome, SubmissionUnknown)
    assert (posts, outcome.task_id) == (1, None)


@pytest.mark.parametrize("name", ["ConnectError", "ConnectTimeout", "PoolTimeout"])
async def test_every_exception_before_the_first_byte(name: str) -> None:
    """What is proven to be unsent is sent again, a few times; then nothing was spent."""

    def end() -> httpx.Response:
        raise getattr(httpx, name)("lost") from getattr(httpcore, name)("lost")

    transport = Honest(end)
    async with AsyncClient("key", transport=transport, retry=Retry(attempts=ATTEMPTS)) as client:
        with pytest.raises(ConnectionFailed):
            await client.submit(ROOM)
        assert repr(client.ledger) == "Ledger(reserved=0, spent=0, refunded=0, unknown=0)"
    assert transport.posts == ATTEMPTS
    outcome, posts = await submit(end)
    assert isinstance(outcome, SubmissionUnknown), "a transport that nobody has looked into may have sent it"
    assert posts == 1


class Body(httpx.AsyncByteStream):
    """Comes in two parts, as over a network."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content[:1]
        yield self._content[1:]


def answer(status: int, content: Any, **headers: str) -> Callable[[], httpx.Response]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda: httpx.Response(status, headers=headers, stream=Body(body))


def envelope(code: int, data: Any = None) -> dict[str, Any]:
    return {"code": code, "message": "words", "data": data}


#: Vendor's page, Error Code Reference, and one it does not list.
CODES: dict[int, type[ApiError]] = {
    1001: RequestFailed,
    1003: ServerError,
    1011: InvalidRequest,
    5002: Unauthorized,
    9010: ContentRejected,
    9038: ContentRejected,
    9051: OutOfCredits,
    7777: ApiError,
}


@pytest.mark.parametrize("status", [200, 400, 401, 402, 403, 404, 500, 502, 503])
@pytest.mark.parametrize("code", CODES)
async def test_an_error_of_the_api_creates_nothing(code: int, status: int) -> None:
    """The API's own error is final, whatever its HTTP status; only 1003 is sent again, as the page says."""
    outcome, posts = await submit(answer(status, envelope(code)))
    assert type(outcome) is CODES[code]
    assert (outcome.code, outcome.message, outcome.http_status) == (code, "words", status)
    assert posts == (ATTEMPTS if code == 1003 else 1)


@pytest.mark.parametrize("content", [b"slow down", b"", json.dumps(envelope(7777)).encode()])
async def test_too_many_requests_is_sent_again(content: bytes) -> None:
    """A 429 was turned away at the door."""
    outcome, posts = await submit(answer(429, content))
    assert isinstance(outcome, RateLimited)
    assert posts == ATTEMPTS


#: What the id of a task may look like, and where it may be.
IDS: list[Any] = [
    *(77, "77", " 77 ", 1234567890123456789, "1234567890123456789", 1.2345678901234568e18),
    *([77], ["77"], {"id": 77}, {"taskId": "1234567890123456789"}, {"anything": 77}),
]
#: What is no id, and not nothing either.
SOMETHING: list[Any] = [True, "x", [0], {"a": None}, -5, 1.5, 2**64]
NOTHING: list[Any] = [None, "", "  ", [], {}, False, 0, 0.0]
#: Answers of somebody in between.
HOLDS_AN_ID = [
    *(b"77", b'"77"', b"[77]", b'{"data": 77}', b'{"data": {"id": 77}}', b'{"taskId": "77"}', b'{"id": 77}'),
    *(b"<p>Task 1234567890123456789</p>", b'{"detail": {"deep": {"id": "1234567890123456789"}}}'),
    "<p>Aufträge: 1234567890123456789</p>".encode("latin-1"),
]


@pytest.mark.parametrize("status", [300, 301, 304, 307, 308, 400, 401, 403, 404, 405, 407, 410, 413, 421, 422, 451])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><h1>Sign in</h1> 1700000000000</html>",
        b'{"timestamp": 1700000000000, "status": 404, "error": "Not Found", "path": "/api/v1"}',
        b'{"code": "NotFound", "data": null}',
        b"not json [",
        b"0",
        "nicht gefunden, für immer".encode("latin-1"),
    ],
)
async def test_what_somebody_in_between_turned_away_created_nothing(content: bytes, status: int) -> None:
    """It did not reach the API: the next action is to mend the way there, and it is not sent again by us."""
    outcome, posts = await submit(answer(status, content, Server="nginx"))
    assert type(outcome) is NotTheApi
    assert (outcome.http_status, outcome.answered_by, posts) == (status, "nginx", 1)


@pytest.mark.parametrize("data", NOTHING)
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("code", [7, 200, 7777])
async def test_a_code_the_page_does_not_list_is_a_refusal_only_beside_nothing(
    code: int, status: int, data: object
) -> None:
    """Some services say 200 for success, with the id beside it."""
    outcome, posts = await submit(answer(status, envelope(code, data)))
    assert type(outcome) is ApiError
    assert posts == 1


@pytest.mark.parametrize("data", [*NOTHING, *SOMETHING, [[77]], {"a": {"id": 77}}])
async def test_a_code_of_the_page_is_a_refusal_beside_anything_but_an_id(data: object) -> None:
    """It is the API's own word that nothing was created."""
    outcome, posts = await submit(answer(200, envelope(1011, data)))
    assert type(outcome) is InvalidRequest
    assert posts == 1


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_a_code_without_data_is_believed_where_http_says_no(status: int) -> None:
    """As of any gateway that turned the request away."""
    outcome, posts = await submit(answer(status, {"code": 7, "message": "words"}))
    assert type(outcome) is ApiError
    assert posts == 1


LONG = b'{"code": 0, "message": "success", "data": 1234567890123456789' + b" " * (1 << 20) + b"}"


@HALF_READ
@pytest.mark.parametrize(
    "end",
    [
        answer(200, b"<html>Bad gateway</html>"),
        answer(502, b"<html>Bad gateway</html>"),
        answer(503, b""),
        answer(504, b'{"message": "upstream timed out"}'),
        answer(500, {"error": "no envelope"}),
        answer(504, {"code": 504001, "message": "upstream timed out"}),
        answer(503, {"code": 7, "data": None}),
        answer(408, {"code": 408}),
        answer(200, b""),
        answer(204, b""),
        answer(200, b'{"code": 0, "message": "success", "da'),
        answer(200, b'{"code": 0, "message": "success"}'),
        answer(200, envelope(0)),
        answer(200, envelope(0, "")),
        answer(200, envelope(0, "12a")),
        answer(200, envelope(0, 0)),
        answer(200, envelope(0, -5)),
        answer(200, envelope(0, True)),
        answer(200, envelope(0, 1.234567890123456789e18)),
        answer(200, envelope(0, {"id": 5})),
        answer(200, b"[" * 100_000),
        answer(200, b"[]"),
        answer(200, LONG),
        answer(302, b"", Location="https://evil.example/"),
        answer(303, b"", Location="https://evil.example/"),
        answer(408, b"request timeout"),
        answer(409, b"conflict"),
        answer(499, b"client closed request"),
        *(answer(status, content) for status in (401, 404, 429) for content in HOLDS_AN_ID),
        *(answer(status, b"nobody here", **{"Content-Length": "12"}) for status in (301, 404, 429)),
        *(answer(status, b"nobody here" * 100_000) for status in (301, 404, 429)),
        *(answer(404, b"nobody here", **{"Content-Encoding": coding}) for coding in ("br", "gzip, gzip", "zstd")),
        *(answer(status, envelope(code, data)) for status in (200, 404, 504) for code in CODES for data in IDS),
        *(answer(status, envelope(200, data)) for status in (200, 429) for data in [*IDS, *SOMETHING]),
        *(answer(status, envelope(code)) for status in (200, 504) for code in (408, 500, 503, 504)),
        *(answer(status, {"code": 7, "message": "words"}) for status in (200, 201, 302, 504)),
        answer(200, {"code": 1001, "message": "words", "data": None, "taskId": 77}),
        answer(200, b"not gzip", **{"Content-Encoding": "gzip"}),
    ],
)
async def test_an_answer_that_is_neither_an_id_nor_an_error_is_a_doubt(end: Callable[[], httpx.Response]) -> None:
    """A task may have been created behind it, so it is never sent again."""
    outcome, posts = await submit(end)
    assert isinstance(outcome, SubmissionUnknown)
    assert posts == 1


@pytest.mark.parametrize("data", [1234567890123456789, "1234567890123456789"])
@pytest.mark.parametrize("status", [200, 201, 500])
async def test_an_id_is_an_id(data: object, status: int) -> None:
    """A 64-bit id comes through exactly, as a number or as a decimal string, whatever the HTTP status around it."""
    assert await submit(answer(status, envelope(0, data))) == (1234567890123456789, 1)


async def test_the_doubt_tells_how_to_reconcile_it() -> None:
    """A person finds the request by its time and fingerprint, which ignores what presigned URLs change."""

    def end() -> httpx.Response:
        raise httpx.ReadTimeout("lost")

    async with AsyncClient("key", transport=Once(end)) as client:
        with pytest.raises(SubmissionUnknown) as first:
            await client.submit(ROOM, key="order-42")
        signed = ImageToVideo("https://example.com/room.jpg?signature=2", duration=5, resolution="480p")
        with pytest.raises(SubmissionUnknown) as second:
            await client.submit(signed, key="order-43")
    assert first.value.key == "order-42"
    assert first.value.fingerprint == second.value.fingerprint
    assert first.value.sent_at.tzinfo is not None
    assert "order-42" in str(first.value)
    assert first.value.fingerprint in str(first.value)


async def test_a_key_in_doubt_stays_in_doubt() -> None:
    """Calling again with the same key answers the same, without a POST."""

    def end() -> httpx.Response:
        raise httpx.ReadError("lost")

    transport = Once(end)
    async with AsyncClient("key", transport=transport) as client:
        for _ in range(3):
            with pytest.raises(SubmissionUnknown):
                await client.submit(ROOM, key="order-42")
    assert transport.posts == 1


async def test_a_refused_key_is_free() -> None:
    """After a refusal the same key is sent again: nothing was created."""
    transport = Once(answer(200, envelope(9010)))
    async with AsyncClient("key", transport=transport) as client:
        for _ in range(2):
            with pytest.raises(ContentRejected):
                await client.submit(ROOM, key="order-42")
    assert transport.posts == 2
