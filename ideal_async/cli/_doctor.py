"""`ideal-async doctor`: is everything in order, and what mends it; it costs nothing."""

import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.request import getproxies

import anyio
import attrs
import httpx

from ideal_async import ApiError, AsyncClient, IdealError, NotTheApi, Unauthorized, redact_url

from ._connection import Connection
from ._endings import refused_key, words_of
from ._run import run_unless_interrupted
from ._terminal import DONE, FAILED, INTERRUPTED, MISUSED, UNFINISHED, Refused, put_json, put_table

#: Of a task that does not exist: the smallest id there can be.
NOBODY = 1
#: Seconds this may take; who calls a doctor is in a hurry.
PATIENCE = 15.0
#: HTTP statuses by which a service says that it cannot now.
TROUBLE = {429, *range(500, 600)}
#: Seconds a clock may be wrong: signed URLs of pictures live for minutes.
SKEW = 60.0
#: Bytes a batch needs: a hundred videos of 1080p take about half of that.
ROOM = 10**9
#: What the extras bring.
EXTRAS = {
    "sandbox": ("av", "numpy", "uvicorn"),
    "webdemo": ("av", "numpy", "uvicorn", "starlette"),
    "buckets": ("obstore",),
    "photos": ("PIL", "pillow_heif"),
    "postgres": ("psycopg",),
    "temporal": ("psycopg", "temporalio"),
    "celery": ("psycopg", "celery"),
    "fast": ("aiohttp",),
    "http2": ("h2",),
    "otel": ("opentelemetry",),
}

Verdict = Literal["good", "look", "bad"]


@attrs.frozen
class Finding:
    """What was found out about one thing.

    Attributes:
        what: The thing.
        verdict: Whether it is in order; `"look"`: nothing is wrong, but somebody should know.
        words: What was found, and what mends it.
        code: What a script should do.
    """

    what: str
    verdict: Verdict
    words: str
    code: int = DONE


def examine(connection: Connection, *, as_json: bool) -> int:
    """Look at everything and tell it; return the exit code of the worst."""
    findings: list[Finding] = []
    interrupted = not run_unless_interrupted(lambda: _examine_service(connection, findings))
    findings += [_look_at_disk(Path()), _look_at_proxies(), *_look_at_extras()]
    if as_json:
        put_json([attrs.asdict(finding) for finding in findings])
    else:
        marks: dict[Verdict, str] = {"good": "ok", "look": "note", "bad": "BAD"}
        put_table(("", "what", "found"), ((marks[found.verdict], found.what, found.words) for found in findings))
    return INTERRUPTED if interrupted else max(found.code for found in findings)


async def _examine_service(connection: Connection, findings: list[Finding]) -> None:
    """Look at a task that does not exist: the service answers or not, refuses the key or not, and it costs nothing."""
    ahead: list[float] = []
    troubles: list[str] = []

    async def note(response: httpx.Response) -> None:
        await response.aread()
        troubles.append(_describe(response))
        with suppress(KeyError, TypeError, ValueError):
            ahead.append(time.time() - parsedate_to_datetime(response.headers["date"]).timestamp())

    async with _Overheard(note) as web:
        try:
            client = connection.client(http_client=web)
        except Refused as error:
            findings.append(Finding("key", "bad", str(error), MISUSED))
            return
        with anyio.move_on_after(PATIENCE) as patience:
            async with client:
                findings += await _knock(client)
        if patience.cancelled_caught and troubles:
            findings.append(Finding("service", "bad", f"{client.origin} {troubles[-1]}", UNFINISHED))
        elif patience.cancelled_caught:
            findings.append(_unreached(client.origin, f"no answer within {PATIENCE:g} s"))
    findings += map(_judge_clock, ahead[-1:])


class _Overheard(httpx.AsyncClient):
    """Lets somebody hear each answer."""

    def __init__(self, hear: Callable[[httpx.Response], Awaitable[None]]) -> None:
        super().__init__(timeout=PATIENCE)
        self._hear = hear

    async def send(self, request: httpx.Request, **more: Any) -> httpx.Response:
        response = await super().send(request, **more)
        await self._hear(response)
        return response


async def _knock(client: AsyncClient) -> list[Finding]:
    reached = Finding("service", "good", f"{client.origin} answers")
    try:
        await client.fetch(NOBODY)
    except Unauthorized as error:
        return [reached, Finding("key", "bad", refused_key(error), MISUSED)]
    except ApiError:
        pass
    except NotTheApi as error:  # tells itself what to look at
        return [Finding("service", "bad", f"{client.origin} is not reached: {words_of(error)}", UNFINISHED)]
    except IdealError as error:
        return [_unreached(client.origin, str(error))]
    return [reached, Finding("key", "good", "not refused; only making a video shows that it is accepted")]


def _describe(response: httpx.Response) -> str:
    """Say who has answered, for the case that no answer was a good one."""
    try:
        code = response.json()["code"]
    except (ValueError, TypeError, KeyError):
        if response.status_code not in TROUBLE:
            return f"is somebody else (HTTP {response.status_code}): look at the network, proxy and base URL"
        return f"has trouble (HTTP {response.status_code}): try again later"
    return f"has trouble (code {code}): try again later"


def _unreached(origin: str, reason: str) -> Finding:
    return Finding("service", "bad", f"{origin} is not reached: {reason}; look at the network and proxy", UNFINISHED)


def _judge_clock(ahead: float) -> Finding:
    if abs(ahead) <= SKEW:
        return Finding("clock", "good", f"within {max(1, round(abs(ahead)))} s of the service's")
    side = "ahead of" if ahead > 0 else "behind"
    words = f"{abs(ahead):,.0f} s {side} the service's: set it, for signed URLs end at a time"
    return Finding("clock", "bad", words, FAILED)


def _look_at_disk(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK):
        return Finding("disk", "bad", f"{folder.resolve()} cannot be written: choose another place with --out", FAILED)
    free = shutil.disk_usage(folder).free
    words = f"{free / 1e9:,.1f} GB free here"
    if free < ROOM:
        return Finding("disk", "look", f"{words}: a few hundred videos need about {ROOM / 1e9:g} GB")
    return Finding("disk", "good", words)


def _look_at_proxies() -> Finding:
    found = {scheme: redact_url(url) for scheme, url in getproxies().items() if scheme in ("http", "https", "all")}
    if not found:
        return Finding("proxy", "good", "none")
    return Finding("proxy", "look", ", ".join(f"{scheme} goes through {url}" for scheme, url in sorted(found.items())))


def _look_at_extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            words = f'not installed ({", ".join(missing)}): pip install "ideal-async[{extra}]"'
            yield Finding(f"extra {extra}", "look", words)
        else:
            yield Finding(f"extra {extra}", "good", "installed")
