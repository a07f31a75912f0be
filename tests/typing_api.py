"""What type checkers know of the public face: read by mypy and pyright (nox -s types), never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from pathlib import Path
from typing import assert_never, assert_type

from ideal_async import (
    AsyncClient,
    DownloadFailed,
    Failed,
    ImageToVideo,
    Journal,
    Made,
    Outcome,
    Progress,
    Submission,
    Task,
    Unsaved,
    batch,
    resume,
)
from ideal_async.buckets import Bucket, BucketPath


async def outcomes_match(client: AsyncClient, requests: list[ImageToVideo]) -> None:
    """Each kind has what it has, and there is no fourth."""
    async with batch(client, requests) as outcomes:
        async for outcome in outcomes:
            assert_type(outcome, Made | Unsaved | Failed)
            match outcome:
                case Made(task=task, task_id=task_id, error=error):
                    assert_type(task, Task)
                    assert_type(task_id, int)
                    assert_type(error, None)
                case Unsaved(task=task, error=error, file=file):
                    assert_type(task, Task)
                    assert_type(error, Exception)
                    assert_type(file, None)
                case Failed(task=task, error=error, task_id=task_id):
                    assert_type(task, None)
                    assert_type(error, Exception)
                    assert_type(task_id, int | None)
                case _:
                    assert_never(outcome)


async def outcomes_by_class(client: AsyncClient) -> None:
    """So do `isinstance`, and `resume`."""
    async with resume(client, save="videos", on_progress=show) as outcomes:
        async for outcome in outcomes:
            assert outcome.task.id  # type: ignore[union-attr]
            if isinstance(outcome, Failed):
                assert_type(outcome.error, Exception)
                continue
            assert_type(outcome.task, Task)
            if isinstance(outcome, Unsaved):
                assert_type(outcome.error, Exception)
                assert isinstance(outcome.error, DownloadFailed)
                assert_type(outcome.error.received, int)
            else:
                assert_type(outcome.task_id, int)


async def outcomes_by_what_is_there(client: AsyncClient, requests: list[tuple[str, ImageToVideo]]) -> None:
    """Asking for the error or the task is enough."""
    async with batch(client, requests, on_submit=keep) as outcomes:
        async for outcome in outcomes:
            if outcome.error is None:
                assert_type(outcome, Made)
                assert_type(outcome.task, Task)
            elif outcome.task is None:
                assert_type(outcome, Failed)


def whole(outcome: Outcome) -> str:
    """The class that they have in common is for what holds for all of them."""
    assert_type(outcome.task, Task | None)
    assert_type(outcome.error, Exception | None)
    return f"{outcome.index} {outcome.key}"


async def places(client: AsyncClient, task: Task, bucket: Bucket) -> None:
    """A download gives back the place that it was given."""
    assert_type(await client.download(task, "room.mp4"), Path)
    assert_type(await client.download(task, Path("room.jpg"), part="cover"), Path)
    assert_type(await client.download(task, bucket / "videos" / "room.mp4"), BucketPath)
    assert_type(await bucket.publish("room.jpg"), str)
    await client.download(task, 5)  # type: ignore[call-overload]
    batch(client, [], save=bucket)
    batch(client, [], save=bucket / "videos")
    batch(client, [], save=Path("videos"))
    batch(client, [], save=5)  # type: ignore[arg-type]
    AsyncClient(uploads=bucket, journal=Journal("journal"))
    AsyncClient(uploads="s3://photos")  # type: ignore[arg-type]
    ImageToVideo(Path("room.jpg"), duration=5, resolution="480p")


def show(progress: Progress) -> None:
    """Be called with numbers."""
    assert_type(progress.eta, float | None)


async def keep(submission: Submission) -> None:
    """Be called with an id."""
    assert_type(submission.task_id, int)
