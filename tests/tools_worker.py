"""A process for each tool that watches or replays requests: `python tools_worker.py TOOL BASE_URL`.

Each makes one client before the tool is there and one after, uses both, and prints what the tool has seen: a list of
methods and URLs for each. Tools patch for good, and some do not like each other, so each has a process of its own.
"""

import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ideal_async import AsyncClient, ImageToVideo, Pacing

KEY = "sk-do-not-show-me"
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="480p")

#: What a tool has seen so far: "POST http://..."; or a word on what it did.
Seen = Callable[[], list[str]]


async def use(client: AsyncClient) -> None:
    """Pay, look and wait: everything that goes to the API."""
    task_id = await client.submit(ROOM)
    await client.fetch(task_id)
    assert (await client.wait(task_id, timeout=60)).succeeded


async def watch(base_url: str, install: Callable[[], AbstractContextManager[Seen]], **options: Any) -> None:
    """Use a client from before and one from after the tool came, and print what it has seen of each."""
    pacing = Pacing(min_interval=0.01, max_interval=0.1)
    said: dict[str, list[str]] = {}
    async with AsyncClient(KEY, base_url=base_url, pacing=pacing, **options) as before:
        await use(before)  # nobody sees it
        with install() as seen:
            await use(before)
            said["before"] = seen()
            async with AsyncClient(KEY, base_url=base_url, pacing=pacing, **options) as after:
                await use(after)
            said["after"] = seen()[len(said["before"]) :]
    print(json.dumps(said))  # noqa: T201 - for the test that has started this


@contextmanager
def sentry() -> Iterator[Seen]:
    """Sentry's integration; its events go into a list."""
    import sentry_sdk
    from sentry_sdk.integrations.httpx import HttpxIntegration
    from sentry_sdk.transport import Transport

    class Kept(Transport):  # type: ignore[misc]  # or Any, where it is not installed
        """Sends nothing."""

        def capture_envelope(self, envelope: Any) -> None:
            sent.append(envelope)

    sent: list[Any] = []
    sentry_sdk.init(
        "http://public@127.0.0.1:9/1",
        transport=Kept,
        traces_sample_rate=1.0,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[HttpxIntegration()],
    )
    with sentry_sdk.start_transaction(name="order") as transaction:

        def seen() -> list[str]:
            spans = [] if transaction._span_recorder is None else transaction._span_recorder.spans
            return [span.description or "" for span in spans if span.op == "http.client"]

        yield seen
    assert KEY not in repr([item.get_transaction_event() for envelope in sent for item in envelope.items])


@contextmanager
def datadog() -> Iterator[Seen]:
    """ddtrace; its traces go into a list, for there is no agent."""
    from ddtrace import patch
    from ddtrace.trace import TraceFilter, tracer

    class Kept(TraceFilter):  # type: ignore[misc]  # as above
        """Keeps a trace, and sends nothing."""

        def process_trace(self, trace: Any) -> None:
            spans.extend(trace)

    spans: list[Any] = []
    tracer.configure(trace_processors=[Kept()])
    patch(httpx=True)

    def seen() -> list[str]:
        found = [f"{span.get_tag('http.method')} {span.get_tag('http.url')}" for span in spans]
        assert KEY not in repr([span.get_tags() for span in spans])
        return found

    yield seen


@contextmanager
def opentelemetry() -> Iterator[Seen]:
    """OpenTelemetry's instrumentation of httpx; its spans go into a list."""
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    yield lambda: _of_spans(exporter.get_finished_spans())
    HTTPXClientInstrumentor().uninstrument()


@contextmanager
def logfire() -> Iterator[Seen]:
    """Logfire, which sends nothing, with all headers: the key is not shown even then."""
    import logfire
    from logfire.testing import TestExporter
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = TestExporter()
    logfire.configure(
        send_to_logfire=False, console=False, metrics=False, additional_span_processors=[SimpleSpanProcessor(exporter)]
    )
    logfire.instrument_httpx(capture_headers=True)

    def seen() -> list[str]:
        assert KEY not in repr([dict(span.attributes or {}) for span in exporter.exported_spans])
        return _of_spans(span for span in exporter.exported_spans if (span.attributes or {}).get("http.status_code"))

    yield seen


def _of_spans(spans: Any) -> list[str]:
    found = [dict(span.attributes or {}) for span in spans]
    return [
        f"{each.get('http.method') or each['http.request.method']} {each.get('http.url') or each['url.full']}"
        for each in found
    ]


async def vcrpy(base_url: str, **options: Any) -> None:
    """Record a cassette, and replay it to a client from before and to a new one."""
    import vcr

    pacing = Pacing(min_interval=0.01, max_interval=0.1)
    with tempfile.TemporaryDirectory() as folder:
        cassette = Path(folder, "cassette.yaml")
        async with AsyncClient(KEY, base_url=base_url, pacing=pacing, **options) as before:
            await use(before)  # not recorded
            with vcr.use_cassette(str(cassette), record_mode="once", filter_headers=["APIKEY"]) as recorded:
                await use(before)
            assert KEY not in cassette.read_text("utf-8")  # noqa: ASYNC240 - nobody else waits
            methods = [request.method for request in recorded.requests]
            print(json.dumps({"version": vcr.__version__, "recorded": methods}), flush=True)  # noqa: T201
            sys.stdin.readline()  # until the requests that the server has had are counted
            for known in (True, False):
                with vcr.use_cassette(str(cassette), record_mode="none") as replayed:
                    if known:
                        await use(before)
                    else:
                        async with AsyncClient(KEY, base_url=base_url, pacing=pacing, **options) as after:
                            await use(after)
                assert replayed.play_count, "nothing was replayed"


TOOLS = {"sentry": sentry, "datadog": datadog, "opentelemetry": opentelemetry, "logfire": logfire}


def main(tool: str, base_url: str, *options: str) -> None:
    """Do what the test wants."""
    logging.basicConfig(level=logging.WARNING)
    more: dict[str, Any] = {"through_httpx": True} if "through_httpx" in options else {}
    if "without_aiohttp" in options:  # vcrpy before 8 patches it, and fails with those of today
        sys.modules["aiohttp"] = None  # type: ignore[assignment]
    if "fast" in options:
        from ideal_async.fast import FastTransport

        more["transport"] = FastTransport()
    if tool == "vcrpy":
        asyncio.run(vcrpy(base_url, **more))
    else:
        asyncio.run(watch(base_url, TOOLS[tool], **more))


if __name__ == "__main__":
    main(*sys.argv[1:])
