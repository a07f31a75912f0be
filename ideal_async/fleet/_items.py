"""What a batch consists of: keys that hold for ever, and requests that any host can send, on any day."""

import hashlib
import json
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from typing import Any

import anyio.lowlevel
import attrs

from ideal_async import ImageToVideo, redact_url
from ideal_async._batch import each_item, open_item
from ideal_async.typing import Item

#: Jobs that a worker takes at once: few enough to be repeated, many enough for an engine that remembers each.
CHUNK = 100
#: Characters of a batch's name, which is also what an engine calls it.
LONGEST_NAME = 200

#: Requests between two breaths of the event loop, which take it two milliseconds.
_BREATH = 100

_PICTURES = ("image_url", "last_image_url")
_FIELDS = frozenset(field.name for field in attrs.fields(ImageToVideo))


@attrs.frozen
class _InBucket:
    """A picture that lies in a bucket: the worker signs its URL."""

    address: str


def check_name(name: str) -> str:
    """Return the name of a batch.

    Raises:
        ValueError: It can be none.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"a batch is named by 1 to {LONGEST_NAME} printable characters, not {name!r}")
    return name


async def read_items(
    name: str, requests: Iterable[Item] | AsyncIterable[Item], *, keep_queries: bool
) -> tuple[str, list[tuple[str, str]]]:
    """Read all requests of a batch, as they are kept.

    A request without a key gets the batch's name and its place: one made up in each run would pay twice.

    Args:
        name: Of the batch.
        requests: As `batch` takes them.
        keep_queries: Take URLs with a query.

    Returns:
        The digest of keys and requests, which does not depend on the queries of URLs; and keys with written requests.

    Raises:
        TypeError: Something is no request.
        ValueError: A key is there twice, a picture is not where other hosts can reach it, or there is nothing.
    """
    items: list[tuple[str, str]] = []
    places: dict[str, int] = {}
    digest = hashlib.sha256(name.encode())
    async with aclosing(each_item(requests)) as each:
        async for item in each:
            index = len(items)
            key, request = open_item(item, index)
            key = f"{name}/{index}" if key is None else key
            if not key or "\0" in key:
                raise ValueError(f"request {index} has the key {key!r}: a key is text, and not empty")
            if places.setdefault(key, index) != index:
                raise ValueError(f"requests {places[key]} and {index} have the same key, {key!r}: a key is one job")
            if index % _BREATH == 0:
                await anyio.lowlevel.checkpoint()
            items.append((key, write_request(request, index, keep_queries=keep_queries)))
            digest.update(json.dumps([key, request.fingerprint]).encode())
    if not items:
        raise ValueError(f"batch {name!r} has no requests")
    return digest.hexdigest(), items


def write_request(request: ImageToVideo, index: int, *, keep_queries: bool = False) -> str:
    """Write a request so that another host, or a later version, can send it.

    Raises:
        ValueError: A picture is on this machine, or its URL has a query, which may be a signature that will have ended.
    """
    values = {name: value for name, value in attrs.asdict(request).items() if value is not None}
    in_bucket: list[str] = []
    for name in _PICTURES:
        url = getattr(request, name)
        path = getattr(url, "path", None)  # a picture of ours has one
        if path == "":
            in_bucket.append(name)
        elif path is not None:
            raise ValueError(
                f"request {index}: {name} is on this machine, where no worker can read it: publish it first, "
                '`await bucket.publish(path)`, and pass its name in the bucket, `bucket / "room.jpg"`'
            )
        elif url is not None and redact_url(url) != url and not keep_queries:
            raise ValueError(
                f"request {index}: {name} {redact_url(url)} has a query, which may be a signature that has ended when "
                'a worker sends it: pass a name in a bucket, `bucket / "room.jpg"`, which the worker signs; or '
                "keep_queries=True if the URL holds for as long as the batch runs, and may be kept in the database"
            )
    if in_bucket:
        values["in_bucket"] = in_bucket
    return json.dumps({name: str(value) if name in _PICTURES else value for name, value in values.items()})


def read_request(text: str) -> ImageToVideo:
    """Read a request; fields of a later version are left out.

    Raises:
        ValueError: It cannot be read.
        TypeError: A field is of the wrong type.
    """
    values: dict[str, Any] = json.loads(text)
    for name in values.get("in_bucket", ()):
        values[name] = _InBucket(values[name])
    return ImageToVideo(**{name: value for name, value in values.items() if name in _FIELDS})
