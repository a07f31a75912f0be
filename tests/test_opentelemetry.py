"""Traces and metrics with the real OpenTelemetry SDK."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode

from ideal_async import (
    AsyncClient,
    IdealError,
    ImageToVideo,
    Submission,
    SubmissionUnknown,
    TaskFailed,
    UnexpectedAnswer,
    WaitTimeout,
)
from ideal_async.opentelemetry import OpenTelemetry, task_context
from ideal_async.sandbox import Sandbox

ROOM = ImageToVideo("https://example.com/room.jpg?signature=SIGNED", duration=5, resolution="480p", prompt="PROMPT")
FIRST = 1234567890123456789


@attrs.define
class Process:
    """One process's telemetry: restarted by making another."""

    spans: InMemorySpanExporter = attrs.field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = attrs.field(factory=InMemoryMetricReader)
    tracers: TracerProvider = attrs.field(factory=TracerProvider)
    observer: OpenTelemetry = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        meters = MeterProvider(metric_readers=[self.reader])
        self.observer = OpenTelemetry(tracer_provider=self.tracers, meter_provider=meters)

    def client(self, sandbox: Sandbox) -> AsyncClient:
        """A client that is watched."""
        leave_loop: Any = _inline
        return AsyncClient(sandbox.api_key, transport=sandbox.transport, observer=self.observer, _leave_loop=leave_loop)

    def named(self, name: str) -> list[ReadableSpan]:
        """Finished spans of one name."""
        return [span for span in self.spans.get_finished_spans() if span.name == f"ideal_async.{name}"]

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Each metric's points: the values of the attributes, joined, to what was counted."""
        found: dict[str, dict[str, Any]] = {}
        data = self.reader.get_metrics_data()
        assert data is not None
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            points = found[metric.name.removeprefix("ideal_async.")] = {}
            for point in metric.data.data_points:
                name = ",".join(str(value) for value in (point.attributes or {}).values())
                assert isinstance(point, NumberDataPoint | HistogramDataPoint)
                points[name] = point.value if isinstance(point, NumberDataPoint) else (point.count, point.sum)
        return found


async def _inline(function: Callable[..., Any], *args: object) -> Any:
    return function(*args)


@pytest.mark.anyio
async def test_a_restart_is_one_story(tmp_path: Path) -> None:
    """What one process paid and another waited for and downloaded meets in the task's trace."""
    sandbox, before, after = Sandbox(render=False), Process(), Process()
    async with before.client(sandbox) as client:
        with before.tracers.get_tracer("app").start_as_current_span("POST /videos") as request:
            task_id = await client.submit(ROOM)
    async with after.client(sandbox) as client:
        await client.download(await client.wait(task_id), tmp_path / "room.mp4")
    (submit,), (mark,) = before.named("submit"), before.named("task")
    (wait,), (download,) = after.named("wait"), after.named("download")
    assert submit.parent is not None
    assert submit.parent.span_id == request.get_span_context().span_id
    for span in (submit, wait, download):
        (link,) = span.links
        assert link.context.trace_id == mark.context.trace_id == task_context(task_id).trace_id
        assert span.attributes == {"ideal_async.task.id": str(FIRST)}
        assert span.status.status_code is StatusCode.UNSET
    assert [link.context.span_id for link in mark.links] == [submit.context.span_id]
    assert mark.parent == task_context(task_id)


@pytest.mark.anyio
async def test_what_is_counted() -> None:
    """In flight and waiting come back to zero; credits, fates and looks stay."""
    sandbox, process = (
        Sandbox(render=False, faults=["submit 2: drop after", "task 3: fail", "look 1: 429 retry-after 9"]),
        Process(),
    )
    async with process.client(sandbox) as client:
        task_id = await client.submit(ROOM)
        assert process.metrics()["tasks.in_flight"] == {"": 1}
        with pytest.raises(SubmissionUnknown):
            await client.submit(ROOM)
        await client.wait(task_id)
        with pytest.raises(TaskFailed):
            await client.generate(ROOM)
    metrics = process.metrics()
    assert metrics["tasks.in_flight"] == metrics["tasks.waiting"] == {"": 0}
    assert metrics["submissions"] == {"submitted": 2, "unknown": 1}
    assert metrics["credits"] == {"spent": 20, "unknown": 10, "refunded": 10}
    assert metrics["brake.duration"] == {"": (1, 9)}
    looks = metrics["looks"]
    assert (looks["RateLimited"], looks["Success"], looks["Failed"]) == (1, 1, 1)
    assert set(looks) <= {"RateLimited", "Success", "Failed", "Processing", "Unprocessed"}
    assert metrics["look.lateness"][""][0] == sum(looks.values())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ("submit 1: drop after", SubmissionUnknown),
        ("submit 1: 200 code 9051", IdealError),
        ("task 1: fail", TaskFailed),
    ],
    ids=["unknown", "refused", "failed"],
)
async def test_errors_have_a_type_and_no_words(faults: str, error: type[Exception]) -> None:
    """A span says what kind of error it was; its message, which may quote a key, stays out."""
    sandbox, process = Sandbox(render=False, faults=faults), Process()
    async with process.client(sandbox) as client:
        with pytest.raises(error) as caught:
            await client.generate(ROOM, key="SECRET-KEY")
    failed = [span for span in process.spans.get_finished_spans() if span.status.status_code is StatusCode.ERROR]
    assert [(span.attributes or {})["error.type"] for span in failed] == [type(caught.value).__name__]
    told = "".join(span.to_json() for span in process.spans.get_finished_spans())
    assert not any(secret in told for secret in ("SECRET-KEY", "PROMPT", "SIGNED", "example.com"))


@pytest.mark.anyio
async def test_a_submit_that_was_paid_after_all_is_linked() -> None:
    """An error that knows its task leads there too, as with a callback that failed."""
    sandbox, process = Sandbox(render=False), Process()

    def lose(submission: Submission) -> None:
        raise WaitTimeout(1.0, task_id=submission.task_id)

    async with process.client(sandbox) as client:
        with pytest.raises(WaitTimeout):
            await client.generate(ROOM, on_submit=lose)
    (submit,) = process.named("submit")
    assert [link.context for link in submit.links] == [task_context(FIRST)]


@pytest.mark.anyio
async def test_a_trace_nobody_samples_leaves_no_mark() -> None:
    """Whoever samples away the request samples away its task's trace."""
    sandbox, process = Sandbox(render=False), Process(tracers=TracerProvider(sampler=ALWAYS_OFF))
    async with process.client(sandbox) as client:
        await client.generate(ROOM)
    assert process.spans.get_finished_spans() == ()


def test_results_come_from_a_short_list() -> None:
    """A status the vendor adds tomorrow, whatever its text, is one more name and not a thousand."""
    process = Process()
    for number in range(3):
        process.observer.looked(FIRST, attrs.evolve(_task(), status=f"Queued-{number}"), 0.0)
    process.observer.looked(FIRST, UnexpectedAnswer(["x @ $"], http_status=200), 0.0)
    assert process.metrics()["looks"] == {"other": 3, "UnexpectedAnswer": 1}


def _task() -> Any:
    from ideal_async import Task

    return Task(FIRST, "Processing")


def test_nothing_is_imported_without_being_asked_for() -> None:
    """The package knows nothing of OpenTelemetry until this module is imported."""
    program = "import sys, ideal_async; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - our own program
