"""Entries of a journal, as people and scripts read them."""

from collections.abc import Iterable
from datetime import UTC
from typing import Annotated

from cyclopts import Parameter

from ideal_async import Entry

from ._terminal import put_json, put_table

Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]


def put_entries(entries: Iterable[Entry], *, as_json: bool) -> None:
    """Write entries, a line each."""
    if as_json:
        for entry in entries:
            put_json(record_of(entry))
        return
    put_table(
        ("key", "state", "task", "credits", "sent (UTC)", "why"),
        (
            (
                entry.key,
                entry.state,
                entry.task_id or "",
                "?" if entry.credits is None else entry.credits,
                f"{entry.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                entry.reason or "",
            )
            for entry in entries
        ),
        right=(3,),
    )


def record_of(entry: Entry) -> dict[str, object]:
    """Write an entry as a record."""
    return {
        "key": entry.key,
        "state": entry.state,
        "task_id": entry.task_id,
        "credits": entry.credits,
        "created_at": entry.created_at.isoformat(),
        "updated_at": entry.updated_at.isoformat(),
        "origin": entry.origin,
        "account": entry.account,
        "reason": entry.reason,
        "image_url": entry.request.image_url,
    }


def request_of(entry: Entry) -> dict[str, object]:
    """Write what was asked for, and what came of it, as a record."""
    request, output = entry.request, entry.task and entry.task.output
    return {
        "fingerprint": entry.fingerprint,
        "last_image_url": request.last_image_url,
        "duration": request.duration,
        "resolution": request.resolution,
        "model_type": request.model_type,
        "generate_audio": request.generate_audio,
        "prompt": request.prompt,
        "result_url": output.result_url if output else None,
        "released": entry.released,
        "refunded": entry.refunded,
    }
