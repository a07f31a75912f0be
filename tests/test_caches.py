"""Caches beneath a client: they are asked to ask the API, and noticed when they do not."""

from typing import Any

import httpx
import pytest
from fakes import BASE_URL, ID, KEY, Service, look

from ideal_async import AsyncClient
from ideal_async._caches import Ages


def cached(age: object, **fields: Any) -> httpx.Response:
    reply = look(**fields)
    reply.headers["Age"] = str(age)
    return reply


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("replies", "told"),
    [
        ([cached(5), cached(10), cached(15), cached(20), cached(25)], 1),
        ([cached(5), cached(10), cached(0), cached(5), cached(0), cached(5)], 0),
        ([cached(0), cached(0), cached(0), cached(0)], 0),
        ([cached(5), cached(10, percentage=10), cached(15, percentage=20), cached(20, percentage=30)], 0),
        ([cached("soon"), cached("later"), cached("-1"), cached(1)], 0),
        ([look(), look(), look(), look()], 0),
    ],
)
async def test_answers_that_only_grow_older_are_told_once(
    replies: list[httpx.Response], told: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning says what to do; every look asks caches to ask the API."""
    service = Service(look=[*replies, look("Success")])
    async with AsyncClient(KEY, base_url=BASE_URL, transport=service) as client:
        assert (await client.wait(ID)).succeeded
    assert {request.headers["Cache-Control"] for request in service.requests} == {"no-cache"}
    warned = [record.getMessage() for record in caplog.records if "cache" in record.getMessage()]
    assert len(warned) == told
    for words in warned:
        assert "take the cache out of the transport" in words


def test_the_ages_of_many_tasks_are_not_kept_for_ever() -> None:
    """A hundred of them tell as much as a million."""
    ages = Ages()
    for task_id in range(1000):
        ages.only_older(task_id, "1", b"")
    assert len(ages._seen) <= 100
    assert [ages.only_older(7, age, b"") for age in "2345"] == [False, True, False, False]
    assert not ages._seen
