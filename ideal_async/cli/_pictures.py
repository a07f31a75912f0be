"""Pictures of this computer in a batch: found, and known by what is in them, wherever they lie and are published."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import attrs

from ideal_async import ImageToVideo

if TYPE_CHECKING:
    from ideal_async.buckets import Bucket

_FIELDS = ("image_url", "last_image_url")
#: Stands for the bucket in names of jobs: the same picture in another bucket is the same job.
_ANYWHERE = "https://photographs.invalid/"


class Pictures:
    """The pictures of a batch.

    Args:
        bucket: Where they are published; nothing is asked of it here. `None`: nowhere, because it is only about prices.
    """

    def __init__(self, bucket: "Bucket | None") -> None:
        self._name_of = _place_of if bucket is None else bucket.name_of
        self._names: dict[str, str] = {}

    def find(self, fields: Mapping[str, Any], source: str) -> dict[str, Any]:
        """Put paths for the names of files, which are relative to the file of jobs *source*.

        Raises:
            ValueError: There is no such file, or it is no picture.
        """
        found = dict(fields)
        for field in _FIELDS:
            value = found.get(field)
            if isinstance(value, str) and not value.lower().startswith(("http://", "https://")):
                is_url = value.startswith("file:")
                value = Path(url2pathname(urlsplit(value).path)) if is_url else Path(source).parent / value
            if isinstance(value, Path):
                try:
                    self._names[value.absolute().as_uri()] = self._name_of(value)
                except OSError as error:
                    raise ValueError(f"{field}: {value} cannot be read: {error.strerror}") from None
                found[field] = value
        return found

    def by_content(self, request: ImageToVideo) -> ImageToVideo:
        """Return the request by which a job is known: with what is in its pictures, not where they are."""
        places: dict[str, Any] = {field: _ANYWHERE + name for field, name in self._local(request)}
        return attrs.evolve(request, **places)

    def as_sent(self, request: ImageToVideo, entry: ImageToVideo) -> ImageToVideo:
        """Return the request as the journal has it, if its pictures are the same."""
        urls = {field: getattr(entry, field) for field in _FIELDS}
        same: dict[str, Any] = {
            field: urls[field] for field, name in self._local(request) if _last(urls[field]) == name
        }
        return attrs.evolve(request, **same)

    def _local(self, request: ImageToVideo) -> Iterator[tuple[str, str]]:
        for field in _FIELDS:
            name = self._names.get(getattr(request, field) or "")
            if name is not None:
                yield field, name


def _place_of(path: Path) -> str:
    """Name a picture by where it lies; that it is there has to do."""
    path.stat()
    return path.absolute().as_uri()


def _last(url: str | None) -> str:
    return (url or "").rpartition("/")[2]
