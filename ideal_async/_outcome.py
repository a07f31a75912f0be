"""What became of one request of many, in three kinds that a type checker tells apart."""

from typing import Any

import attrs

from ._models import ImageToVideo, Task


@attrs.frozen
class Outcome:
    """What became of one request of a batch: a `Made`, a `Failed`, or, where results are saved, an `Unsaved`.

    Attributes:
        index: Of the request, from 0.
        key: The caller's idempotency key, if one was given.
        request: What was asked for.
        task_id: The paid task, as far as there is one.
        task: The finished task.
        error: Why there is none, or why its video was not saved.
        file: Where its video is, if it was to be saved: a `pathlib.Path`, or a name in a bucket.

    Example:
        >>> def tell(outcome):
        ...     match outcome:
        ...         case Made(task=task, file=file):
        ...             return f"{task.id} is in {file}"
        ...         case Unsaved(error=error):
        ...             return f"made, but not saved: {error}; the same batch again saves it, and costs nothing"
        ...         case Failed(error=error):
        ...             return f"not made: {error}"
    """

    index: int
    key: str | None
    request: ImageToVideo
    task_id: int | None = None
    task: Task | None = None
    error: Exception | None = None
    file: Any = None

    def _repr_html_(self) -> str | None:
        """The video, or why there is none, where a notebook shows it."""
        if self.task is not None:
            return self.task._repr_html_()  # pyright: ignore[reportPrivateUsage]  # IPython's name
        from ._notebook import show_video  # few programs are notebooks

        return show_video(f"{self.key or f'request {self.index}'}: {type(self.error).__name__}: {self.error}", None)


@attrs.frozen
class Made(Outcome):
    """The video is made, and saved if it was to be."""

    task_id: int = attrs.field(kw_only=True)
    task: Task = attrs.field(kw_only=True)
    error: None = attrs.field(default=None, init=False)


@attrs.frozen
class Unsaved(Outcome):
    """The video is made and paid, but was not saved: the same batch again saves it and pays nothing."""

    task_id: int = attrs.field(kw_only=True)
    task: Task = attrs.field(kw_only=True)
    error: Exception = attrs.field(kw_only=True)
    file: None = attrs.field(default=None, init=False)


@attrs.frozen
class Failed(Outcome):
    """There is no video (yet): the error says why, and whether a task was paid."""

    task: None = attrs.field(default=None, init=False)
    error: Exception = attrs.field(kw_only=True)
    file: None = attrs.field(default=None, init=False)
