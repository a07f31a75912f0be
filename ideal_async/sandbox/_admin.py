"""What the holder of the API key may see and change: the state of everything, the ledger, the script of faults."""

from collections import Counter
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import attrs

from ._answers import answer_json, show_task
from ._codes import PARAM_ERROR, Refused, success
from ._http import Answer
from ._log import Exchange, Log
from ._prices import PRICES
from ._script import read_faults
from ._service import Service
from ._shelf import Shelf
from ._world import Task

#: Newest tasks shown in the state: as many as a page can play.
NEWEST = 60

#: A number of requests with more digits than this nobody has counted.
MOST_DIGITS = 18


def answer_state(service: Service, shelf: Shelf, base: str, query: bytes) -> Answer:
    """Queue, workers, accounts and the newest tasks, of those with the `status` and the `text` that *query* names."""
    service.settle()
    world = service.world
    counts = Counter(task.status for task in world.tasks.values())
    wanted = parse_qs(query.decode("latin-1"), encoding="utf-8", errors="replace")
    status, text = (wanted.get(name, [""])[0] for name in ("status", "text"))
    found = (task for task in reversed(world.tasks.values()) if status in {"", task.status} and _is_about(task, text))
    return answer_json(
        success(
            {
                "now": world.now,
                "speed": world.speed,
                "workers": world.workers,
                "counts": {status: counts[status] for status in ("Unprocessed", "Processing", "Success", "Failed")},
                "accounts": [attrs.asdict(account) for account in service.accounts.values()],
                "images": shelf.names(),
                "prices": {
                    "|".join(map(str, (*kind, *size))): credits
                    for kind, table in PRICES.items()
                    for size, credits in table.items()
                },
                "tasks": [_show(service, shelf, task, base) for task in islice(found, NEWEST)],
            }
        )
    )


def answer_ledger(service: Service) -> Answer:
    """Every movement of credits since the start; the sum of an account's lines is its balance."""
    service.settle()
    return answer_json(
        success(
            [
                {
                    "at": entry.at,
                    "account": entry.account,
                    "reason": entry.reason,
                    "credits": entry.credits,
                    "balance": entry.balance,
                    "taskId": entry.task_id,
                }
                for entry in service.world.ledger
            ]
        )
    )


def answer_task(service: Service, shelf: Shelf, log: Log, base: str, task_id: int) -> Answer:
    """One task and what the world knows of its course, in order; times are seconds since the first request.

    Raises:
        Refused: 1011 for an unknown id.

    """
    service.settle()
    task = service.world.tasks.get(task_id)
    if task is None:
        raise Refused(PARAM_ERROR, f"there is no task {task_id}", http_status=404)
    events = [*_course(service, task), *(_asked(exchange) for exchange in log.after() if exchange.task_id == task_id)]
    events.sort(key=lambda event: event["at"])  # what happened at the same time stays in this order
    return answer_json(success({**_show(service, shelf, task, base), "timeline": events}))


def answer_requests(log: Log, query: bytes) -> Answer:
    """The newest requests, those after the number `after`.

    Raises:
        Refused: 1011 for one that is no number.

    """
    (after,) = parse_qs(query.decode("latin-1")).get("after", ["0"])[:1]
    if not after.isdecimal() or len(after) > MOST_DIGITS:
        raise Refused(PARAM_ERROR, "after must be a number")
    return answer_json(
        success(
            [
                {
                    "number": exchange.number,
                    "at": exchange.at,
                    "method": exchange.method,
                    "path": exchange.path,
                    "status": exchange.status,
                    "code": exchange.code,
                    "taskId": None if exchange.task_id is None else str(exchange.task_id),
                    "faults": exchange.faults,
                }
                for exchange in log.after(int(after))
            ]
        )
    )


def answer_faults(service: Service) -> Answer:
    """The script in force, as text."""
    script = "".join(f"{fault}\n" for fault in service.script.faults)
    return Answer(200, script.encode(), "text/plain; charset=utf-8")


def replace_faults(service: Service, body: bytes) -> Answer:
    """Follow the script in *body* from now on.

    Raises:
        Refused: 1011 for a line that says nothing; the old script stays.

    """
    try:
        service.disturb(read_faults(body.decode("utf-8")))
    except ValueError as error:  # UnicodeDecodeError is one
        raise Refused(PARAM_ERROR, str(error)) from None
    return answer_faults(service)


def _is_about(task: Task, text: str) -> bool:
    """Whether the id, the prompt or a URL has *text* in it."""
    order = task.order
    return (
        text.lower()
        in " ".join(filter(None, (str(task.id), order.prompt, order.image_url, order.last_image_url))).lower()
    )


def _show(service: Service, shelf: Shelf, task: Task, base: str) -> dict[str, Any]:
    host = base.partition("://")[2]
    # Ids as strings here: the page's JavaScript cannot hold 64 bits in a number.
    return {
        **show_task(service.world, task, shelf.linker(base)),  # the truth, however the script makes it appear
        "id": str(task.id),
        "credits": task.credits,
        "createdAt": task.created_at,
        "startedAt": task.started_at,
        "endedAt": task.ended_at,
        "preview": shelf.preview(task.order.image_url, host),
        "lastPreview": None if task.order.last_image_url is None else shelf.preview(task.order.last_image_url, host),
        "problem": task.problem,
        "refunded": task.ended_at is not None and task.ending in {"Failed", "Prohibited"},
        "prohibited": task.ending == "Prohibited" and task.ended_at is not None,
    }


def _course(service: Service, task: Task) -> list[dict[str, Any]]:
    events = [_event(task.created_at, "created", f"{task.credits} credits charged")]
    events += [_event(task.created_at, "fault", fault) for fault in service.faults.get(task.id, [])]
    if service.world.pictures and task.clip is not None:
        what = f"{task.clip.width} by {task.clip.height} pixels" if task.clip.problem is None else task.clip.problem
        events.append(_event(task.clip.at, "rendered", what))
    if task.started_at is not None:
        events.append(_event(task.started_at, "processing", f"{task.started_at - task.created_at:.1f} s in the queue"))
    if task.ended_at is not None:
        refund = [entry for entry in service.world.ledger if entry.task_id == task.id and entry.reason == "refund"]
        back = f"{refund[0].credits} credits refunded" if refund else f"{task.credits} credits stay spent"
        events.append(_event(task.ended_at, "ended", f"{task.ending.lower()}: {back}"))
    return events


def _asked(exchange: Exchange) -> dict[str, Any]:
    said = "dropped" if exchange.status is None else f"HTTP {exchange.status}"
    code = "" if exchange.code is None else f", code {exchange.code}"
    faults = f" ({', '.join(exchange.faults)})" if exchange.faults else ""
    name = exchange.path.rpartition("/")[2]
    return _event(exchange.at, "request", f"{exchange.method} {name}: {said}{code}{faults}")


def _event(at: float, event: str, detail: str) -> dict[str, Any]:
    return {"at": at, "event": event, "detail": detail}
