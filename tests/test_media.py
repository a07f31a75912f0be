"""What a file is, its first bytes tell."""

from pathlib import Path

import pytest

from ideal_async import is_result
from ideal_async._media import describe, is_media, is_page, is_whole

MP4 = b"\0\0\0\x20ftypisom"


@pytest.mark.parametrize(
    ("head", "is_video", "is_cover"),
    [
        (MP4, True, False),
        (b"\0\0\0\x14ftypqt  ", True, False),
        (MP4[:11], False, False),
        (b"", False, False),
        (b"\0\0\0\x20ftypavif", False, True),
        (b"\0\0\0\x20ftypheic", False, True),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1", False, True),
        (b"\x89PNG\r\n\x1a\n\0\0\0\r", False, True),
        (b"RIFF\1\2\3\4WEBP", False, True),
        (b"RIFF\1\2\3\4AVI ", False, False),
        (b"GIF87a......", False, True),
        (b"GIF89a......", False, True),
        (b"<!doctype html>", False, False),
        (b'{"code": 1011}', False, False),
        (b"<?xml version=", False, False),
        (b"\xef\xbb\xbf<html>.....", False, False),
        (bytes(100), False, False),
    ],
)
def test_the_first_bytes_tell_what_it_is(head: bytes, is_video: bool, is_cover: bool) -> None:
    """A video is no cover, a cover no video, and a page neither."""
    assert (is_media("video", head), is_media("cover", head)) == (is_video, is_cover)


def box(kind: bytes, content: bytes = b"", length: int | None = None) -> bytes:
    return (8 + len(content) if length is None else length).to_bytes(4, "big") + kind + content


START, INDEX, PICTURES = box(b"ftyp", b"isom" + bytes(4)), box(b"moov", bytes(9)), box(b"mdat", bytes(99))
LONG = box(b"mdat", (116).to_bytes(8, "big") + bytes(100), length=1)


@pytest.mark.parametrize(
    ("video", "whole"),
    [
        (START + INDEX + PICTURES, True),
        (START + box(b"free") + PICTURES + INDEX, True),
        (START + INDEX + LONG, True),
        (START + INDEX + box(b"moof") + PICTURES + box(b"moof") + PICTURES, True),
        # cut
        ((START + INDEX + PICTURES)[:-1], False),
        ((START + INDEX + LONG)[:-1], False),
        ((START + PICTURES + INDEX)[:-8], False),
        # it does not say
        (START + PICTURES, None),
        (START + INDEX, None),
        (START[:13], None),
        (START + INDEX + box(b"mdat", bytes(9), length=0), None),
        (START + INDEX + PICTURES + b"<!-- ad -->", None),
        (START + INDEX + PICTURES + bytes(3), None),
        (START + bytes(range(32, 200)), None),
        (START + box(b"free", length=7), None),
        (PICTURES + INDEX, None),
        (b"", None),
    ],
)
def test_the_boxes_of_a_video_tell_where_it_ends(video: bytes, whole: bool | None) -> None:
    """Only a box that is known and goes on behind the end says that something is missing."""
    assert is_whole(lambda at, length: video[at : at + length], len(video)) is whole


@pytest.mark.parametrize(
    ("content_type", "page"),
    [
        ("text/html; charset=utf-8", True),
        (" Text/Plain", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("application/xhtml+xml", True),
        ("application/xml", True),
        ("application/octet-stream", False),
        ("binary/octet-stream", False),
        ("video/mp4", False),
        ("application/mp4", False),
        ("", False),
    ],
)
def test_some_content_types_are_of_pages(content_type: str, page: bool) -> None:
    """Storage services label what they do not know as octets."""
    assert is_page(content_type) is page


def test_an_excerpt_shows_one_short_line_without_secrets() -> None:
    """Not what looks like a signature, nor the query of a URL, nor control characters."""
    assert describe(b"") == "an empty body"
    assert describe(b"a\n\tb \x1b[31m \xff") == "'a b �[31m �'"
    assert describe(b"a\0b") == "bytes 61 00 62"
    assert "Z" * 24 not in describe(b"key: " + b"Z" * 24)
    assert "secret" not in describe(b"at https://a.b/c?token=secret")
    assert len(describe(b"word " * 1000)) < 150


def test_a_file_is_looked_into(tmp_path: Path) -> None:
    """One that is not there, or a folder, holds nothing."""
    path = tmp_path / "room.mp4"
    assert not is_result(path)
    assert not is_result(tmp_path)
    path.write_bytes(b"<html>Sign in</html>")
    assert not is_result(path)
    path.write_bytes(MP4)
    assert is_result(str(path))
    assert not is_result(path, "cover")
