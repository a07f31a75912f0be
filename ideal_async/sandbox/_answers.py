"""The JSON of the two endpoints, written by hand from the vendor's page."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import attrs

from ._codes import Refused, failure, success, write_json
from ._http import Answer
from ._task_effects import LateUrl, UrlForm
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


@attrs.frozen
class Appearance:
    """How the end of a task is shown and delivered, where the script departs from the vendor's page."""

    #: The status in place of Failed.
    failed: str = "Failed"
    url: LateUrl | None = None
    #: Seconds after the end for which there are no files.
    file_after: float = 0.0
    signed: bool = False


def show_task(
    world: World, task: Task, link: Callable[[int, str], str], appearance: Appearance = Appearance()
) -> dict[str, Any]:
    """The `data` of a look; *link* gives the URL of a task's file."""
    output: dict[str, Any] | None = None
    if task.status == "Success" and task.clip is not None:  # "only available when status is Success"
        output = {
            "resultUrl": link(task.id, "video_result.mp4"),
            "cover": link(task.id, "video_cover.jpg"),
            "width": task.clip.width,
            "height": task.clip.height,
        }
        if appearance.url is not None and is_within(world, task, appearance.url.seconds):
            hide_url(output, appearance.url.form)
    return {
        "id": task.id,
        "status": appearance.failed if task.status == "Failed" else task.status,
        "waitNumber": world.wait_number(task),
        "percentage": world.percentage(task),
        "input": task.order.echo(),
        "output": output,
    }


def is_within(world: World, task: Task, seconds: float) -> bool:
    """Whether the task ended less than so many seconds ago."""
    return task.ended_at is not None and world.now < task.ended_at + seconds


def hide_url(output: dict[str, Any], form: UrlForm) -> None:
    """A result URL that is not there yet."""
    if form == "missing":
        del output["resultUrl"]
    else:
        whole: str = output["resultUrl"]
        path = urlsplit(whole)._replace(scheme="", netloc="").geturl()
        output["resultUrl"] = {"empty": "", "null": None, "relative": path}[form]
