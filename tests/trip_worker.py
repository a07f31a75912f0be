"""What runs in the process that is killed: photographs of this machine in, videos into a bucket, over a journal."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import anyio

from ideal_async import AsyncClient, ImageToVideo, Journal, Made, Pacing, batch
from ideal_async.buckets import Bucket
from ideal_async.buckets._store import Store


class Doomed:
    """A store that kills this process in the middle of a put of a photograph, or of a video."""

    def __init__(self, store: Store, kind: str, number: int) -> None:
        self._store, self._kind, self._left = store, kind, number

    def put(self, name: str, content: bytes | Path, media_type: str, mark: str | None = None) -> None:
        if media_type.startswith(self._kind):
            self._left -= 1
            if self._left == 0:
                threading.Thread(target=_die, args=(0.003,), daemon=True).start()  # about half of what a put takes
        self._store.put(name, content, media_type, mark)
        if self._left == 0:
            time.sleep(1)  # if the put was faster, it dies behind it

    def holds(self, name: str, mark: str | None = None) -> bool:
        return self._store.holds(name, mark)

    def sign(self, name: str, lifetime: float) -> str:
        return self._store.sign(name, lifetime)


def _die(delay: float) -> None:
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)


async def trip(url: str, folder: Path, *, doom: tuple[str, int] | None = None, at_once: int = 1) -> int:
    """Make a video of each photograph, and return how many are in the bucket."""
    bucket = Bucket("s3://photos/tour", scratch=folder / "scratch")
    if doom is not None:
        bucket._store = Doomed(bucket._store, *doom)
    photos = sorted(folder.glob("*.jpg"))  # noqa: ASYNC240 - nothing else runs yet
    requests = ((photo.stem, ImageToVideo(photo, duration=5, resolution="480p")) for photo in photos)
    made = 0
    with Journal(folder / "journal") as journal:
        pacing = Pacing(min_interval=0.02, max_interval=0.05)
        async with (
            AsyncClient("sandbox", base_url=url, journal=journal, pacing=pacing, uploads=bucket) as client,
            batch(client, requests, max_in_flight=at_once, save=bucket / "videos") as outcomes,
        ):
            async for outcome in outcomes:
                assert isinstance(outcome, Made), outcome
                made += 1
    return made


if __name__ == "__main__":
    address, place, kind, number = sys.argv[1:]
    anyio.run(lambda: trip(address, Path(place), doom=(kind, int(number))))
