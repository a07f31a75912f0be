"""Ranges, entity tags and stand-ins of the sandbox's result files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async.sandbox._files import Unsatisfiable, answer_file, file_on_disk, media_type_of, read_range, stand_in

FILE = stand_in(1234567890123456789, "video_result.mp4")


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=100-199", (100, 200)),
        ("bytes=999-", (999, 1000)),
        ("bytes=900-5000", (900, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-5000", (0, 1000)),
        (" bytes= 5-9 ", (5, 10)),
        ("", None),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=a-b", None),
        ("bytes=1-9999999999999999999999", None),
    ],
)
def test_a_range_header_is_read_or_ignored(header: str, part: tuple[int, int] | None) -> None:
    """RFC 9110, section 14: what cannot be understood is as if it were not there."""
    assert read_range(header, 1000) == part


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_behind_the_end_is_unsatisfiable(header: str) -> None:
    """There is not one byte of it."""
    with pytest.raises(Unsatisfiable):
        read_range(header, 1000)


@given(st.integers(0, 30), st.none() | st.integers(0, 30), st.integers(1, 20))
def test_a_range_is_within_the_file(first: int, last: int | None, size: int) -> None:
    """Whatever is asked for, what is sent exists and is what was asked for."""
    whole = bytes(range(size))
    try:
        part = read_range(f"bytes={first}-{'' if last is None else last}", size)
    except Unsatisfiable:
        assert first >= size
        return
    if part is None:
        assert last is not None
        assert last < first
    else:
        assert whole[slice(*part)] == whole[first : None if last is None else last + 1] != b""


def test_the_whole_file_says_how_to_get_parts() -> None:
    """200, a strong entity tag, Accept-Ranges."""
    answer = answer_file(FILE, {})
    assert (answer.status, answer.length, answer.media_type) == (200, 16 * 1024, "video/mp4")
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"].startswith('"')


def test_a_part_is_206_with_its_place() -> None:
    """Content-Range names the first and the last byte, and the size."""
    answer = answer_file(FILE, {"range": "bytes=16000-"})
    assert answer.status == 206
    assert answer.headers["content-range"] == "bytes 16000-16383/16384"
    assert isinstance(FILE.content, bytes)
    assert answer.body == FILE.content[16000:]


def test_a_part_behind_the_end_is_416_with_the_size() -> None:
    """So that a downloader that has everything can see it."""
    answer = answer_file(FILE, {"range": "bytes=16384-"})
    assert (answer.status, answer.body, answer.headers["content-range"]) == (416, b"", "bytes */16384")


@pytest.mark.parametrize(
    ("tag", "status"), [(FILE.etag, 206), ('"another"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)]
)
def test_if_range_guards_against_another_file(tag: str, status: int) -> None:
    """A part is sent only if it fits to what the client has; a date never does, as we send none."""
    assert answer_file(FILE, {"range": "bytes=5-", "if-range": tag}).status == status


@pytest.mark.parametrize(
    ("tags", "status"), [(FILE.etag, 304), ("*", 304), (f'"x", W/{FILE.etag}', 304), ('"x"', 200), ("", 200)]
)
def test_a_known_file_is_not_sent_again(tags: str, status: int) -> None:
    """304 to If-None-Match, compared weakly."""
    assert answer_file(FILE, {"if-none-match": tags, "range": "bytes=20000-" if status == 304 else ""}).status == status


def test_a_file_on_disk_is_served_in_parts(tmp_path: Path) -> None:
    """The part is described, not read; the version names the content."""
    path = tmp_path / "photo.PNG"
    path.write_bytes(bytes(1000))
    file = file_on_disk(path, "v1")
    answer = answer_file(file, {"range": "bytes=-100"})
    assert (answer.body, answer.start, answer.size, answer.media_type) == (path, 900, 100, "image/png")
    assert file.etag == '"v1-3e8"'


def test_stand_ins_are_always_the_same_and_always_different() -> None:
    """Same task and name, same bytes; and they begin like what they stand for."""
    assert stand_in(1234567890123456789, "video_result.mp4") == FILE
    other, cover = stand_in(2, "video_result.mp4"), stand_in(2, "video_cover.jpg")
    assert isinstance(FILE.content, bytes)
    assert isinstance(cover.content, bytes)
    assert FILE.content != other.content
    assert FILE.content[4:8] == b"ftyp"
    assert cover.content.startswith(b"\xff\xd8\xff")
    assert cover.media_type == "image/jpeg"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.b.WebP", "image/webp"),
        ("a", "application/octet-stream"),
        ("a.svg", "application/octet-stream"),
    ],
)
def test_media_types_come_from_names(name: str, media_type: str) -> None:
    """Pictures a browser may show; an SVG could run scripts, so it is no picture here."""
    assert media_type_of(name) == media_type
