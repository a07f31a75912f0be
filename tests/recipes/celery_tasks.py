"""A Celery task: `celery -A celery_tasks worker`. It needs REDIS_URL beside what `sync_world` needs."""

import os

from celery import Celery
from sync_world import generate

from ideal_async import ImageToVideo, Task

app = Celery("videos", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])


# It may run twice, and the key is paid once.
@app.task(acks_late=True, reject_on_worker_lost=True)  # type: ignore[untyped-decorator]
def make(order: str, url: str) -> str | None:
    """Pay for a video, and return where it is."""
    task: Task = generate(ImageToVideo(url, duration=5, resolution="480p"), key=order, timeout=600)
    return task.output.result_url if task.output else None
