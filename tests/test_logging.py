"""One line per event worth a line: ids and states, never a prompt, a key or a full URL."""

import logging
from pathlib import Path

import anyio
import attrs
import httpx
import pytest
from fakes import ID, KEY, ROOM, Service, answer, client_of, look

from ideal_async import AsyncClient, IdealError, Retry
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio
SECRETS = ["very private prompt", "X-Signature", "example.com", "cdn.example", KEY, "http://", "https://"]
PRIVATE = attrs.evolve(ROOM, prompt=SECRETS[0], image_url=f"{ROOM.image_url}?X-Signature=1")


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.DEBUG) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("ideal_async") and record.levelno >= level
    ]


async def test_a_quiet_day_is_a_line_a_job(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO the submission; the looks are for DEBUG."""
    caplog.set_level(logging.DEBUG, "ideal_async")
    async with client_of(Service(submit=answer(ID), look=[look(), look("Success")])) as client:
        begun = anyio.current_time()
        await client.generate(PRIVATE, key="order-42")
        seconds = anyio.current_time() - begun
    submitted = f"key 'order-42': task {ID} submitted: 20 credits"
    ended = f"key 'order-42': task {ID} ended after {seconds:.1f} s: Success"
    assert lines(caplog, logging.INFO) == [submitted, ended]
    assert lines(caplog) == ["POST 200", submitted, "GET 200", "GET 200", ended]


async def test_nothing_secret_is_logged_whatever_goes_wrong(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Every kind of trouble, at the most talkative level."""
    caplog.set_level(logging.DEBUG, "ideal_async")
    troubles: list[httpx.Response | Exception] = [
        httpx.ReadError(f"lost {KEY}"),
        httpx.Response(429),
        answer(None, 1003),
        answer({"id": ID, "status": "Paused"}),
        look("Success"),
    ]
    service = Service(
        submit=[answer(None, 1003), answer(ID), httpx.ReadError("lost"), answer(None, 9010, f"no {KEY}")],
        look=troubles,
        file=[httpx.ReadError("cut"), httpx.Response(403), httpx.Response(403)],
    )

    async def inline(function: object, *args: object) -> object:
        assert callable(function)
        return function(*args)

    async with client_of(service, retry=Retry(outage=3600), _leave_loop=inline) as client:
        task = await client.generate(PRIVATE)
        for _ in range(2):
            with pytest.raises(IdealError):
                await client.generate(PRIVATE)
        with pytest.raises(IdealError):
            await client.download(task, tmp_path / "room.mp4")
    shown = "\n".join(lines(caplog))
    assert [secret for secret in SECRETS if secret in shown] == []
    assert "a submission is in doubt: request " in shown
    assert "unknown task status 'Paused': taken for a running task" in shown
    assert f"download for task {ID}: resumed at 0 bytes" in shown
    assert f"look at {ID}: ConnectionFailed, again in " in shown


async def test_with_logging_off_nothing_is_formatted() -> None:
    """Debug costs nothing."""
    logger = logging.getLogger("ideal_async")
    assert logger.getEffectiveLevel() > logging.DEBUG
    assert logger.handlers == []
    sandbox = Sandbox(render=False)
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport) as client:
        await client.generate(ROOM)


async def test_the_key_of_the_sandbox_is_logged_neither(caplog: pytest.LogCaptureFixture) -> None:
    """Over the whole life of a job, in every logger there is."""
    caplog.set_level(logging.DEBUG)
    key = "sk-sandbox-secret"
    sandbox = Sandbox(render=False, api_key=key)
    async with AsyncClient(key, transport=sandbox.transport) as client:
        await client.generate(ROOM)
        assert key not in repr(client)
        await anyio.sleep(1)
    assert caplog.records
    assert key not in caplog.text
