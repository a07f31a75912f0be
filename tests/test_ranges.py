"""Half a file is continued only with the rest of the same file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async._ranges import ANOTHER, NOWHERE, PACKED, PIECES, Held, Start, ask, begin

ETAG = '"v1"'


@pytest.mark.parametrize(
    ("held", "headers"),
    [
        (Held(), {}),
        (Held(0, 100, ETAG), {}),
        (Held(5, 100), {"Range": "bytes=5-"}),
        (Held(5, 100, ETAG), {"Range": "bytes=5-", "If-Range": ETAG}),
    ],
)
def test_only_what_is_missing_is_asked_for(held: Held, headers: dict[str, str]) -> None:
    """On condition that it is still the same file, and uncompressed, so that the lengths are those of the file."""
    assert ask(held) == {"Accept-Encoding": "identity", **headers}


@pytest.mark.parametrize(
    ("headers", "start"),
    [
        ({"content-length": "100", "etag": ETAG}, Start(0, 100, ETAG)),
        ({"content-length": "100", "etag": 'W/"v1"'}, Start(0, 100)),
        ({"content-length": "100", "etag": ""}, Start(0, 100)),
        ({"content-length": "all"}, Start(0)),
        ({}, Start(0)),
        ({"content-length": "100", "content-encoding": "identity"}, Start(0, 100)),
        ({"content-length": "60", "etag": ETAG, "content-encoding": "gzip"}, Start(0)),
        ({"content-length": "60", "etag": ETAG, "content-encoding": "X-GZip"}, Start(0)),
        ({"content-length": "60", "content-encoding": "aws-chunked, gzip"}, Start(0)),
        # a mere label
        ({"content-length": "100", "content-encoding": "aws-chunked"}, Start(0, 100)),
        ({"content-length": "100", "content-encoding": "Identity"}, Start(0, 100)),
        ({"content-length": "100", "content-encoding": ""}, Start(0, 100)),
        ({"content-length": "\u0661"}, Start(0)),
    ],
)
@pytest.mark.parametrize("held", [Held(), Held(5, 100, ETAG)])
def test_a_whole_file_starts_over(headers: dict[str, str], start: Start, held: Held) -> None:
    """HTTP 200 brings everything, whatever was asked; what is known of it counts only for the bytes on the disk."""
    assert begin(200, headers, held) == start


@pytest.mark.parametrize(
    ("held", "headers", "start"),
    [
        # a strong validator
        (Held(5, 100, ETAG), {"content-range": "bytes 5-99/100", "etag": ETAG}, Start(5, 100, ETAG, 100)),
        (Held(5, 100, ETAG), {"content-range": "bytes 5-99/100"}, Start(5, 100, ETAG, 100)),
        (Held(5, None, ETAG), {"content-range": "bytes 5-99/100", "etag": ETAG}, Start(5, 100, ETAG, 100)),
        (Held(5, None, ETAG), {"content-range": "bytes 5-49/*", "etag": ETAG}, Start(5, None, ETAG, 50)),
        (Held(5, 100, ETAG), {"content-range": "bytes 5-49/*", "etag": ETAG}, Start(5, None, ETAG, 50)),
        (Held(5, 100, ETAG), {"content-range": "bytes 5-99/100", "etag": '"v2"'}, ANOTHER),
        (Held(5, None, ETAG), {"content-range": "bytes 5-99/*", "etag": '"v2"'}, ANOTHER),
        # the same length
        (Held(5, 100), {"content-range": "bytes 5-99/100"}, Start(5, 100, None, 100)),
        (Held(5, 100), {"content-range": "bytes 5-99/100", "etag": ETAG}, Start(5, 100, ETAG, 100)),
        (Held(5, 100), {"content-range": "bytes 5-98/99"}, ANOTHER),
        (Held(5, 100, ETAG), {"content-range": "bytes 5-98/99", "etag": ETAG}, ANOTHER),
        # neither
        (Held(5), {"content-range": "bytes 5-99/100"}, ANOTHER),
        (Held(5, 100), {"content-range": "bytes 5-99/*"}, ANOTHER),
        # nothing was there: the beginning of the file, whatever was known of it
        (Held(), {"content-range": "bytes 0-99/100", "etag": ETAG}, Start(0, 100, ETAG, 100)),
        (Held(), {"content-range": "bytes 0-49/100"}, Start(0, 100, None, 50)),
        (Held(0, 90, ETAG), {"content-range": "bytes 0-99/100", "etag": '"v2"'}, Start(0, 100, '"v2"', 100)),
        (Held(), {"content-range": "bytes 0-99/*"}, Start(0, None, None, 100)),
        (Held(), {"content-range": "bytes 1-99/100"}, NOWHERE),
        (Held(), {"content-range": "bytes */100"}, NOWHERE),
        (Held(), {}, NOWHERE),
        # a part of the rest, or in other words
        (Held(5, 100, ETAG), {"content-range": "bytes 5-49/100", "etag": ETAG}, Start(5, 100, ETAG, 50)),
        (Held(5, 100, ETAG), {"content-range": "Bytes=5-49/100", "etag": ETAG}, Start(5, 100, ETAG, 50)),
        # another part, or nonsense
        (Held(5, 100, ETAG), {"content-range": "bytes 4-99/100", "etag": ETAG}, ANOTHER),
        (Held(5, 100, ETAG), {"content-range": "items 5-99/100", "etag": ETAG}, NOWHERE),
        (Held(5, 100, ETAG), {"content-range": "bytes \u0665-99/100", "etag": ETAG}, NOWHERE),
        (Held(5, 100, ETAG), {}, NOWHERE),
        (Held(5, 100, ETAG), {"content-type": "multipart/byteranges; boundary=x", "etag": ETAG}, PIECES),
        # packed
        (Held(5, 100, ETAG), {"content-range": "bytes 5-99/100", "etag": ETAG, "content-encoding": "gzip"}, PACKED),
    ],
)
def test_a_part_is_used_only_if_it_is_the_rest_of_this_file(
    held: Held, headers: dict[str, str], start: Start | str
) -> None:
    """Vouched for by a strong validator, or else by the same total length; otherwise a reason, and the whole file."""
    assert begin(206, headers, held) == start


@pytest.mark.parametrize(
    ("held", "headers", "start"),
    [
        (Held(100, 100, ETAG), {"content-range": "bytes */100"}, Start(100, 100, ETAG)),
        (Held(100, 100), {"content-range": "bytes */100"}, Start(100, 100)),
        (Held(100, None, ETAG), {"content-range": "bytes */100"}, Start(100, 100, ETAG)),
        (Held(100), {"content-range": "bytes */100"}, ANOTHER),
        (Held(120, 100), {"content-range": "bytes */100"}, ANOTHER),
        (Held(100, 120), {"content-range": "bytes */100"}, ANOTHER),
        (Held(100, 100, ETAG), {"content-range": "bytes */*"}, ANOTHER),
        (Held(100, 100), {}, NOWHERE),
    ],
)
def test_nothing_missing_means_complete(held: Held, headers: dict[str, str], start: Start | str) -> None:
    """The process died between the last byte and the renaming: HTTP 416 tells that nothing is missing."""
    assert begin(416, headers, held) == start


@given(
    content=st.binary(min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    etag=st.sampled_from([None, ETAG]),
    supports_ranges=st.booleans(),
)
def test_however_often_it_breaks_the_file_comes_out_right(
    content: bytes, cuts: list[int], etag: str | None, supports_ranges: bool
) -> None:
    """Against a server that follows RFC 9110, asking on and on ends with the very bytes."""
    disk, held = b"", Held()
    for cut in [*cuts, 60]:
        asked = ask(held)
        first = int(asked["Range"].removeprefix("bytes=").removesuffix("-")) if "Range" in asked else None
        assert asked.get("If-Range") == (etag if first else None)
        headers = {"etag": etag} if etag else {}
        if first is None or not supports_ranges:
            status, body = 200, content
            headers["content-length"] = str(len(content))
        elif first < len(content):
            status, body = 206, content[first:]
            headers["content-range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        else:
            status, body = 416, b""
            headers["content-range"] = f"bytes */{len(content)}"
        start = begin(status, headers, held)
        assert isinstance(start, Start)
        disk = disk[: start.offset] + body[:cut]
        held = Held(len(disk), start.total, start.etag)
    assert disk == content
