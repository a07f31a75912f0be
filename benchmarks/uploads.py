"""What publishing photographs costs: 50 of 3 MB through a client's threads, and by hand with boto3 in as many threads.

python -m benchmarks.uploads [rounds, by default 5]

It starts an S3 of moto's for itself; each photograph is named by its content, looked for, put, and its URL signed.
"""

import asyncio
import hashlib
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx

from ideal_async import AsyncClient, ImageToVideo
from ideal_async.buckets import Bucket

PHOTOS, SIZE = 50, 3_000_000
#: As many as a client publishes at once.
THREADS = 4
#: Seconds until moto answers.
PATIENCE = 60.0


def by_hand(photos: list[Path], folder: str) -> None:
    """Do what a script would do."""
    s3 = boto3.client("s3")

    def publish(photo: Path) -> str:
        content = photo.read_bytes()
        place: dict[str, Any] = {"Bucket": "photos", "Key": f"{folder}/{hashlib.sha256(content).hexdigest()}.jpg"}
        try:
            s3.head_object(**place)
        except s3.exceptions.ClientError:
            s3.put_object(**place, Body=content, ContentType="image/jpeg")
        return str(s3.generate_presigned_url("get_object", Params=place, ExpiresIn=86_400))

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(publish, photos))


def ours(photos: list[Path], folder: str) -> None:
    """Submit a request for each; the API answers at once."""

    async def submit() -> None:
        answer = {"code": 0, "message": "success", "data": 7}
        api = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
        async with AsyncClient("key", transport=api, uploads=Bucket(f"s3://photos/{folder}")) as client:
            requests = [ImageToVideo(photo, duration=5, resolution="480p") for photo in photos]
            await asyncio.gather(*(client.submit(request) for request in requests))

    asyncio.run(submit())


@contextmanager
def moto() -> Iterator[str]:
    """Serve an S3 with one bucket; gives its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - ours
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                httpx.put(f"{url}/photos", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                if server.poll() is not None or time.monotonic() > until:
                    raise SystemExit("moto does not start: pip install 'moto[server]'") from None
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


def timed(work: Callable[[list[Path], str], None], photos: list[Path], folder: str) -> tuple[float, float]:
    """Return the CPU seconds of this process, and the seconds, that it took."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    work(photos, folder)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - began


def main() -> None:
    """Measure both in turn, some rounds, behind one each that does not count."""
    rounds = int([*sys.argv, "5"][1])
    contenders = {"ours": ours, f"boto3, {THREADS} threads": by_hand}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as place, moto() as url:
        os.environ |= {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "two"}
        os.environ |= {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        photos = [Path(place) / f"{number}.jpg" for number in range(PHOTOS)]
        for photo in photos:
            photo.write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(SIZE))
        for number in range(rounds + 1):
            for name, work in contenders.items():
                figures = timed(work, photos if number else photos[:4], f"{number} {name}")
                if number:
                    taken[name].append(figures)
    print(f"{PHOTOS} photographs of {SIZE / 1e6:.0f} MB, median of {rounds} rounds")
    for name, figures_ in taken.items():
        cpu, seconds = (statistics.median(each) for each in zip(*figures_, strict=True))
        print(f"  {name:18} {cpu:5.2f} CPU s  {seconds:5.2f} s")


if __name__ == "__main__":
    main()
