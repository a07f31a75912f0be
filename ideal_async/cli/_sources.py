"""Where jobs come from: files, patterns of files, URLs, patterns of URLs, or the standard input."""

import glob
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ._columns import Problem, Row
from ._patterns import expand_urls
from ._rows import Form, read_rows

#: What somebody who has photographs tries first.
PICTURES = {".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
FORMS: dict[str, Form] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_URLS_ONLY = (
    "the API takes URLs only: upload it somewhere the API can reach, and pass that URL, "
    "or let --upload-to s3://bucket/folder do that"
)


def read_sources(
    sources: Sequence[str], *, ignore: Collection[str] = (), uploads: bool = False
) -> Iterator[Row | Problem]:
    """Read all jobs, and tell all that is wrong with them.

    Args:
        sources: Names of files, patterns, URLs, or "-".
        ignore: Columns that are no fields and may be there.
        uploads: Pictures of this computer, and folders of them, are jobs too.
    """
    for number, source in enumerate(sources, 1):
        if source == "-":
            yield from read_rows("stdin", sys.stdin.buffer.read(), ignore=ignore)
        elif source.lower().startswith(("http://", "https://")):
            try:
                yield from (Row("argument", number, {"image_url": url}) for url in expand_urls(source))
            except ValueError as error:
                yield Problem("argument", number, str(error))
        else:
            yield from _read_files(source, ignore, uploads=uploads)


def _read_files(source: str, ignore: Collection[str], *, uploads: bool) -> Iterator[Row | Problem]:
    paths = [Path(source)]
    if not paths[0].exists() and glob.has_magic(source):
        paths = [Path(found) for found in _match(source)]
        if not paths:
            yield Problem(source, None, "no file matches this pattern")
    for path in paths:
        if uploads and (path.suffix.lower() in PICTURES or path.is_dir()):
            yield from _read_pictures(path)
        elif path.suffix.lower() in PICTURES:
            yield Problem(str(path), None, f"this is a picture on this computer, and {_URLS_ONLY}")
        elif path.is_dir():
            yield Problem(str(path), None, f"this is a folder, not a file of jobs. As for its pictures: {_URLS_ONLY}")
        else:
            try:
                data = path.read_bytes()
            except OSError as error:
                yield Problem(str(path), None, f"cannot be read: {error.strerror}")
            else:
                yield from read_rows(str(path), data, FORMS.get(path.suffix.lower()), ignore=ignore)


def _read_pictures(path: Path) -> Iterator[Row | Problem]:
    """Make a job of a picture, or of each picture in a folder."""
    pictures = [path]
    if path.is_dir():
        pictures = sorted(each for each in path.iterdir() if each.suffix.lower() in PICTURES and each.is_file())
    for number, picture in enumerate(pictures, 1):
        yield Row(str(path), number, {"image_url": picture})
    if not pictures:
        yield Problem(str(path), None, "there are no pictures in this folder")


def _match(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
