"""OpenTelemetry for a client: spans for its calls, metrics for its load, its looks and its credits.

    client = AsyncClient(observer=OpenTelemetry())

Needs the extra `otel`, and a provider set up by your application; this module uses only OpenTelemetry's API.

Spans (in the caller's trace, never with a prompt, a key or a URL):

    ideal_async.submit      from the call to the task id
    ideal_async.wait        until the task ended or the caller left
    ideal_async.download    until the file is whole
    ideal_async.task        a mark at the moment of payment, in a trace of the task's own

A task outlives processes, and so does its trace: the trace id is computed from the task id. Every span above carries a
link there, and the mark carries a link back to the submit, so that a wait after a restart leads to the payment before
it. `task_context(task_id)` is that link, for spans of your own.

Metrics, of all calls together:

    ideal_async.tasks.in_flight     submitted by this process and running
    ideal_async.tasks.waiting       waited for by somebody
    ideal_async.submissions         by fate: submitted, refused, not_sent, unknown
    ideal_async.credits             by outcome: spent, refunded, unknown
    ideal_async.looks               by result: a status, or the name of an error
    ideal_async.look.lateness       seconds from when a look was due to when it was made
    ideal_async.brake.duration      seconds the API asked to pause for; its count tells how often
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import sha256

try:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import (
        Link,
        NonRecordingSpan,
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
        TracerProvider,
        get_tracer,
        set_span_in_context,
    )
except ImportError as error:
    raise ImportError("the observer needs opentelemetry: pip install 'ideal-async[otel]'") from error

from ideal_async import IdealError, ImageToVideo, Observer, Task, TaskStatus, __version__

#: Seconds. From a quiet event loop (a millisecond) to a look that waited for its turn behind a brake.
LATENESS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
#: Seconds of a pause; `Retry-After` is believed up to some minutes.
PAUSES = (1, 2, 5, 10, 20, 30, 60, 120, 300)

_NAME = "ideal_async"
_KINDS = {"submit": SpanKind.CLIENT, "wait": SpanKind.INTERNAL, "download": SpanKind.CLIENT}
_STATUSES = {str(status) for status in TaskStatus}


def task_context(task_id: int) -> SpanContext:
    """Return the span context that stands for a task, the same in every process.

    Example:
        >>> task_context(1234567890123456789) == task_context(1234567890123456789)
        True
    """
    digest = sha256(b"ideal_async task %d" % task_id).digest()
    return SpanContext(
        trace_id=int.from_bytes(digest[:16]),
        span_id=int.from_bytes(digest[16:24]),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


class OpenTelemetry(Observer):
    """Tells OpenTelemetry what a client does; one may serve several clients.

    Args:
        tracer_provider: By default the global one.
        meter_provider: By default the global one.

    Example:
        >>> from ideal_async import AsyncClient
        >>> client = AsyncClient("your-key", observer=OpenTelemetry())
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = get_tracer(_NAME, __version__, tracer_provider)
        meter = get_meter(_NAME, __version__, meter_provider)
        self._in_flight = meter.create_up_down_counter(
            "ideal_async.tasks.in_flight", "{task}", "Tasks submitted by this process that run."
        )
        self._waiting = meter.create_up_down_counter(
            "ideal_async.tasks.waiting", "{task}", "Tasks that somebody waits for."
        )
        self._submissions = meter.create_counter(
            "ideal_async.submissions", "{request}", "Requests for a video, by what became of them."
        )
        self._credits = meter.create_counter("ideal_async.credits", "{credit}", "Credits, by what became of them.")
        self._looks = meter.create_counter("ideal_async.looks", "{look}", "Looks at tasks, by what they brought.")
        self._lateness = meter.create_histogram(
            "ideal_async.look.lateness",
            "s",
            "From when a look was due to when it was made.",
            explicit_bucket_boundaries_advisory=LATENESS,
        )
        self._brake = meter.create_histogram(
            "ideal_async.brake.duration",
            "s",
            "Pauses the API asked for.",
            explicit_bucket_boundaries_advisory=PAUSES,
        )

    @contextmanager
    def call(self, name: str, task_id: int | None) -> Generator[Callable[[int], None]]:
        """Surround a call with a span, linked to its task."""
        with self._tracer.start_as_current_span(
            f"ideal_async.{name}", kind=_KINDS[name], record_exception=False, set_status_on_exception=False
        ) as span:

            def belongs_to(task_id: int) -> None:
                span.set_attribute("ideal_async.task.id", str(task_id))  # beyond what a JavaScript number holds
                span.add_link(task_context(task_id))
                if name == "submit" and span.is_recording():
                    self._mark(task_id, Link(span.get_span_context()))

            if task_id is not None:
                belongs_to(task_id)
            try:
                yield belongs_to
            except Exception as error:
                # Not its words: they may quote a key or an answer.
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                if task_id is None and isinstance(error, IdealError) and error.task_id is not None:
                    belongs_to(error.task_id)
                raise

    def _mark(self, task_id: int, paid_by: Link) -> None:
        """Begin the task's own trace."""
        parent = set_span_in_context(NonRecordingSpan(task_context(task_id)), Context())
        attributes = {"ideal_async.task.id": str(task_id)}
        self._tracer.start_span("ideal_async.task", parent, attributes=attributes, links=[paid_by]).end()

    def submission(self, fate: str, request: ImageToVideo, credits: int | None) -> None:
        """Count it, and the credits it moved."""
        del request
        self._submissions.add(1, {"ideal_async.fate": fate})
        outcome = {"submitted": "spent", "unknown": "unknown"}.get(fate)
        if outcome is not None and credits is not None:
            self._credits.add(credits, {"ideal_async.outcome": outcome})

    def looked(self, task_id: int, result: Task | IdealError, late: float) -> None:
        """Count it by a name from a short list."""
        del task_id
        if isinstance(result, IdealError):
            name = type(result).__name__
        else:
            name = str(result.status) if result.status in _STATUSES else "other"
        self._looks.add(1, {"ideal_async.result": name})
        self._lateness.record(late)

    def ended(self, task_id: int, task: Task | None, credits: int | None) -> None:
        """Count what comes back."""
        del task_id
        if credits is not None and (task is None or task.refunded):
            self._credits.add(credits, {"ideal_async.outcome": "refunded"})

    def braked(self, seconds: float) -> None:
        """Record the pause."""
        self._brake.record(seconds)

    def in_flight(self, change: int) -> None:
        """Count."""
        self._in_flight.add(change)

    def waiting(self, change: int) -> None:
        """Count."""
        self._waiting.add(change)
