"""A batch tells how far it is: each request counted once, soon after each step, and in the end for all."""

from pathlib import Path
from typing import Any

import pytest
from fakes import ROOM, Service, answer, look
from test_batch_save import Studio, client_of
from test_download import inline

from ideal_async import AsyncClient, Eta, Outcomes, Progress, Task, batch
from ideal_async._progress import forecast_all, is_running
from ideal_async.sandbox import Sandbox

pytestmark = pytest.mark.anyio


def everywhere(progress: Progress) -> int:
    here = progress.sending + progress.queued + progress.running + progress.saving
    return (progress.to_send or 0) + here + progress.done + progress.failed


async def test_each_request_is_counted_once(tmp_path: Path) -> None:
    """From the first to the last report; a list has a length, and so has what is left of it."""
    sandbox = Sandbox(render=False, workers=2, faults="task 3: fail")
    reports: list[Progress] = []
    async with AsyncClient(sandbox.api_key, transport=sandbox.transport, _leave_loop=inline) as client:
        async with batch(client, [ROOM] * 6, max_in_flight=4, save=tmp_path, on_progress=reports.append) as outcomes:
            seen = [outcome async for outcome in outcomes]
        assert outcomes.progress == reports[-1]
        assert outcomes._repr_html_() == outcomes.progress._repr_html_()
    assert len(seen) == 6
    assert [everywhere(report) for report in reports] == [6] * len(reports)
    assert max(report.queued for report in reports) > 0
    assert max(report.running for report in reports) > 0
    assert any(report.eta for report in reports)
    spent = 5 * sandbox.created[0].credits
    assert reports[-1] == Progress(0, 0, 0, 0, 0, 5, 1, spent, 0.0)
    assert len(reports) < 200


async def test_requests_without_a_length_are_not_counted() -> None:
    """They are read lazily."""
    async with client_of(Studio()) as client, batch(client, (ROOM for _ in range(3))) as outcomes:
        assert outcomes.progress.to_send is None
        async for _ in outcomes:
            assert outcomes.progress.to_send is None
        assert outcomes.progress.done == 3


async def test_what_the_callback_raises_stops_no_job() -> None:
    """It comes out behind the outcomes, and nothing more is reported."""
    told = 0

    async def clumsy(_: Progress) -> None:
        nonlocal told
        told += 1
        raise KeyError("bar")

    service = Service(submit=answer(7), look=lambda _: look("Success", 7))
    async with client_of(service) as client, batch(client, [ROOM] * 3, on_progress=clumsy) as outcomes:
        for _ in range(3):
            await anext(outcomes)
        with pytest.raises(KeyError, match="bar"):
            await anext(outcomes)
    assert told == 1


@pytest.mark.parametrize(
    ("fields", "running"),
    [
        ({"status": "Unprocessed"}, False),
        ({"status": "Processing", "wait_number": 3}, False),
        ({"status": "Processing", "wait_number": 0}, True),
        ({"status": "Processing", "percentage": 30, "wait_number": 2}, True),
    ],
)
def test_a_percentage_outweighs_the_queue(fields: dict[str, Any], running: bool) -> None:
    """As on the vendor's page."""
    assert is_running(Task(7, **fields)) is running
    assert not is_running(None)


@pytest.mark.parametrize(
    ("etas", "left", "ended", "forecast"),
    [([], 0, 5, 0.0), ([], 5, 0, None), ([30.0], 5, 0, 30.0), ([30.0], 5, 5, 100.0), ([300.0], 5, 5, 300.0)],
)
def test_the_whole_takes_as_long_as_its_slowest_part(
    etas: list[float], left: int, ended: int, forecast: float | None
) -> None:
    """What runs as forecast, the rest at the pace so far."""
    looks = [Task(7, "Processing", eta=Eta(seconds, "history")) for seconds in etas]
    assert forecast_all([*looks, Task(8, "Processing")], left=left, ended=ended, elapsed=100.0) == forecast


async def test_a_batch_has_one_beginning() -> None:
    """Before it nothing runs, and there is no second one."""
    async with client_of(Studio()) as client:
        outcomes = batch(client, [ROOM])
        assert isinstance(outcomes, Outcomes)
        with pytest.raises(RuntimeError, match="nothing runs yet"):
            await anext(outcomes)
        assert outcomes.progress == Progress(1, 0, 0, 0, 0, 0, 0, 0)
        async with outcomes:
            assert len([outcome async for outcome in outcomes]) == 1
            with pytest.raises(RuntimeError, match="entered once"):
                await outcomes.__aenter__()


async def test_a_batch_of_a_closed_client_does_not_begin() -> None:
    """It is told at once, and nothing is left open."""
    async with client_of(Studio()) as client:
        outcomes = batch(client, [ROOM])
    with pytest.raises(RuntimeError, match="closed"):
        async with outcomes:
            raise AssertionError("it has begun")
