"""The JSON of the two endpoints, written by hand from the vendor's page."""

from collections.abc import Callable
from typing import Any

from ._codes import Refused, failure, success, write_json
from ._http import Answer
from ._world import Task, World


def answer_json(value: object, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, write_json(value))


def answer_created(task: Task) -> Answer:
    """`data` is the task id itself, a 64-bit number."""
    return answer_json(success(task.id))


def answer_refused(refused: Refused, *, http_errors: bool) -> Answer:
    """The error envelope.

    This is the one place that chooses the HTTP status. The page shows bodies only; its Python and Java examples look at
    nothing else, so 200 is the default, and *http_errors* sends the status such an error usually has instead.
    """
    status = refused.http_status if http_errors else 200
    return answer_json(failure(refused.code.number, refused.message), status)


def show_task(world: World, task: Task, link: Callable[[int, str], str]) -> dict[str, Any]:
    """The `data` of a look; *link* gives the URL of a task's file."""
    output = None
    if task.status == "Success" and task.clip is not None:  # "only available when status is Success"
        output = {
            "resultUrl": link(task.id, "video_result.mp4"),
            "cover": link(task.id, "video_cover.jpg"),
            "width": task.clip.width,
            "height": task.clip.height,
        }
    return {
        "id": task.id,
        "status": task.status,
        "waitNumber": world.wait_number(task),
        "percentage": world.percentage(task),
        "input": task.order.echo(),
        "output": output,
    }
