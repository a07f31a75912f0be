"""What the holder of the API key may see and change: the state of everything, the ledger, the script of faults."""

from collections import Counter
from typing import Any

import attrs

from ._answers import answer_json, show_task
from ._codes import PARAM_ERROR, Refused, success
from ._http import Answer
from ._script import read_faults
from ._service import Service
from ._shelf import Shelf
from ._world import Task

#: Newest tasks shown in the state: as many as a page can play.
NEWEST = 60


def answer_state(service: Service, shelf: Shelf, base: str) -> Answer:
    """Queue, workers, accounts and the newest tasks."""
    service.settle()
    world = service.world
    tasks = list(world.tasks.values())
    counts = Counter(task.status for task in tasks)
    return answer_json(
        success(
            {
                "now": world.now,
                "speed": world.speed,
                "workers": world.workers,
                "counts": {status: counts[status] for status in ("Unprocessed", "Processing", "Success", "Failed")},
                "accounts": [attrs.asdict(account) for account in service.accounts.values()],
                "images": shelf.names(),
                "tasks": [_show(service, shelf, task, base) for task in tasks[: -NEWEST - 1 : -1]],
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


def _show(service: Service, shelf: Shelf, task: Task, base: str) -> dict[str, Any]:
    host = base.partition("://")[2]
    # Ids as strings here: the page's JavaScript cannot hold 64 bits in a number.
    return {
        **show_task(service.world, task, shelf.linker(base), service.appearance(task.id)),
        "id": str(task.id),
        "credits": task.credits,
        "createdAt": task.created_at,
        "startedAt": task.started_at,
        "endedAt": task.ended_at,
        "preview": shelf.preview(task.order.image_url, host),
        "problem": task.problem,
        "prohibited": task.ending == "Prohibited" and task.ended_at is not None,
    }
