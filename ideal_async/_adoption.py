"""Is this task what was asked for? Decided before a key in doubt is given to it."""

import attrs

from ._identity import redact_url
from ._models import ImageToVideo, Task, vendor_name

#: What the service leaves out of its echo when nothing was said about it, or when it goes without saying.
#: Source: vendor's page, Response Fields `input.*`.
_DEFAULTS = {"model_type": "Flash", "generate_audio": False, "prompt": None, "last_image_url": None}


def differences(asked: ImageToVideo, task: Task) -> list[str]:
    """Name, in the vendor's words, what a task's echo says differently from what was asked; values are not repeated."""
    return [vendor_name(name) for name, (ours, theirs) in _pairs(asked, task) if theirs is not None and ours != theirs]


def missing(asked: ImageToVideo, task: Task) -> list[str]:
    """Name what was asked and is not in a task's echo, so that nobody can compare it."""
    return [
        vendor_name(name)
        for name, (ours, theirs) in _pairs(asked, task)
        if theirs is None and ours != _DEFAULTS.get(name, ...)
    ]


def _pairs(asked: ImageToVideo, task: Task) -> list[tuple[str, tuple[object, object]]]:
    ours, theirs = attrs.asdict(asked.redacted), attrs.asdict(task.input)
    for name in ("image_url", "last_image_url"):
        if theirs[name] is not None:
            theirs[name] = redact_url(theirs[name])
    return [(name, (value, theirs[name])) for name, value in ours.items()]


def check_adoption(asked: ImageToVideo, task: Task | None, task_id: int, *, force: bool) -> None:
    """Let through only a task that may be what was asked for.

    Args:
        asked: The request in doubt.
        task: A look at the task; `None` if the API says 9038 in its place, without an echo.
        task_id: Its id.
        force: Do not ask for what the echo lacks; a person has made sure.

    Raises:
        ValueError: It is something else, or cannot be compared without *force*.
    """
    if task is not None and (wrong := differences(asked, task)):
        differ = "differs" if len(wrong) == 1 else "differ"
        raise ValueError(
            f"task {task_id} is not what was asked for: {', '.join(wrong)} {differ}. Look for another task"
        )
    lacking = ["the whole input"] if task is None else missing(asked, task)
    if lacking and not force:
        raise ValueError(
            f"the service does not repeat {', '.join(lacking)} of task {task_id}, so it cannot be compared with what "
            "was asked for: make sure that it is yours, then pass force=True"
        )
