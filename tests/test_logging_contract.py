"""The logging contract: one line per event, ids and states; never a prompt, a key or a full URL, at any level."""

import logging
import traceback
from pathlib import Path
from typing import Any

import httpx
import pytest

from ideal_async import AsyncClient, IdealError, ImageToVideo, Journal, Pacing, Retry, Task, batch
from ideal_async.sandbox import Sandbox, serve

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]

KEY = "sk-live-Zr7qXbV2"
PROMPT = "A secret tour of the Hohenzollern villa"
#: What a signature looks like, and every word of the addresses that only a customer should know.
SIGNED = "https://example.com/villa-hohenzollern.jpg?X-Amz-Signature=9f8e7d"
SECRETS = (KEY, PROMPT, "Hohenzollern", "hohenzollern", "X-Amz-Signature", "9f8e7d", "example.com", "127.0.0.1")
ROOM = ImageToVideo(SIGNED, duration=5, resolution="480p", prompt=PROMPT)

#: One of everything that has a line of its own.
TROUBLE = [
    "submit 1: 429 retry-after 1",
    "submit 2: 500 code 1003",
    "submit 4: drop after",
    "submit 5: 502 html",
    "submit 9: 200 code 9051",
    "submit 7: truncate 50%",
    "look 2: 503 html",
    "look 3: drop",
    "look 4: truncate 40%",
    "look 1: show status=Queued",
    "look 6: 429 retry-after 1",
    "look 7: show id=null percentage=many",
    "task 2: fail",
    "task 3: prohibit",
]
BROKEN_DOWNLOADS = ["download 1: cut 50%", "download 2: expired"]


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    """All that a logger and its children said, with whatever hangs on it."""
    formatter = logging.Formatter()
    records = [record for record in caplog.records if record.name == name or record.name.startswith(f"{name}.")]
    return [formatter.format(record) for record in records]


@pytest.mark.slow
async def test_our_logger_keeps_secrets(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Over real sockets, through every kind of trouble, at every level: neither logs nor exceptions tell."""
    caplog.set_level(1)
    errors: list[Exception] = []
    sandbox = Sandbox(api_key=KEY, render=False, speed=50, faults=TROUBLE)
    pacing, retry = Pacing(min_interval=0.02, max_interval=0.1), Retry(outage=3)
    requests = [(f"order-{number}", ROOM) for number in range(9)]
    done: list[Task] = []
    with serve(sandbox) as base_url, Journal(tmp_path / "journal.db") as journal:
        options: dict[str, Any] = {"base_url": base_url, "pacing": pacing, "retry": retry, "journal": journal}
        async with AsyncClient(KEY, **options) as client, batch(client, requests, max_in_flight=3) as outcomes:
            async for outcome in outcomes:
                errors.extend([outcome.error] if outcome.error else [])
                done.extend([outcome.task] if outcome.task else [])
                if isinstance(outcomes.stopped_by, IdealError):
                    errors.append(outcomes.stopped_by)
        async with AsyncClient("wrong", **options) as client:
            with pytest.raises(IdealError) as caught:
                await client.submit(ROOM)
            errors.append(caught.value)
        async with AsyncClient(KEY, **options) as client:
            sandbox.faults = BROKEN_DOWNLOADS
            for task in done[:2]:
                await client.download(task, tmp_path / f"{task.id}.mp4")
            with pytest.raises(IdealError) as caught:
                await client.wait(42)
            errors.append(caught.value)
            assert KEY not in repr(client)
            ours = [*lines(caplog, "ideal_async"), repr(journal), *map(repr, errors)]
    assert len({type(error) for error in errors}) >= 4
    assert done
    ours += ["".join(traceback.format_exception(error)) for error in errors]
    told = [line for line in ours if any(secret in line for secret in SECRETS)]
    assert not told, told
    messages = "\n".join(ours)
    for event in (
        "submitted: 10 credits",
        "slow down",
        "in doubt",
        "sending again",
        "unknown task status",
        "resumed at",
    ):
        assert event in messages


@pytest.mark.slow
async def test_what_httpx_says_by_itself(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """The key is in no line of httpx or httpcore either. Result URLs are, in httpx's: the README names the switch."""
    caplog.set_level(1)
    sandbox = Sandbox(api_key=KEY, render=False, speed=500)
    with serve(sandbox) as base_url:
        async with AsyncClient(KEY, base_url=base_url, pacing=Pacing(min_interval=0.02, max_interval=0.1)) as client:
            task = await client.generate(ROOM)
            await client.download(task, tmp_path / "room.mp4")
            theirs = [*lines(caplog, "httpx"), *lines(caplog, "httpcore")]
            assert task.output is not None
            assert any(task.output.result_url in line for line in theirs)
            assert not any(KEY in line or PROMPT in line or "9f8e7d" in line for line in theirs)
            caplog.clear()
            logging.getLogger("httpx").setLevel(logging.WARNING)
            try:
                await client.download(task, tmp_path / "again.mp4")
            finally:
                logging.getLogger("httpx").setLevel(logging.NOTSET)
    assert lines(caplog, "httpx") == []
    assert httpx.URL(task.output.result_url).path  # it was a whole one
