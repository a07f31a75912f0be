"""The body of an answer: unpacked in steps, up to a limit, one layer deep; and read to its announced end or not."""

import gzip
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async._transports import read_body
from ideal_async._transports.body import Unpacker

#: Without the time in it: what a test is called must not depend on when.
gzipped = partial(gzip.compress, mtime=0)
CONTENT = b'{"code": 0, "message": "success", "data": 77}' * 3
LIMIT = 1000


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


PACKED = [
    ("", CONTENT),
    ("identity", CONTENT),
    ("gzip", gzipped(CONTENT)),
    ("x-gzip", gzipped(CONTENT)),
    ("GZIP, identity", gzipped(CONTENT)),
    ("gzip", gzipped(CONTENT[:20]) + gzipped(CONTENT[20:])),
    ("gzip", gzipped(CONTENT) + b"\0\0 something behind it"),
    ("gzip", CONTENT),  # a proxy that unpacked it and left the header
    ("deflate", zlib.compress(CONTENT)),
    ("deflate", raw_deflate(CONTENT)),
    ("deflate", CONTENT),
]


class Pieces(httpx.AsyncByteStream):
    """A body in pieces of *size* bytes."""

    def __init__(self, content: bytes, size: int) -> None:
        self._content, self._size = content, size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), self._size):
            yield self._content[start : start + self._size]


def response(
    content: bytes, size: int = 7, *, status: int = 200, version: bytes = b"", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    extensions = {"http_version": version} if version else {}
    return httpx.Response(status, headers=named, stream=Pieces(content, size), extensions=extensions)


@pytest.mark.anyio
@pytest.mark.parametrize(("coding", "packed"), PACKED)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_one_layer_is_unpacked_in_whatever_pieces(coding: str, packed: bytes, size: int) -> None:
    """Although only `identity` was asked for."""
    assert await read_body(response(packed, size, Content_Encoding=coding), LIMIT) == (CONTENT, True)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("coding", "packed"), [(coding, packed) for coding, packed in PACKED[2:5] + PACKED[8:10] if packed != CONTENT]
)
async def test_a_packed_body_that_is_cut_is_not_complete(coding: str, packed: bytes) -> None:
    """Whatever HTTP says of its end."""
    content, complete = await read_body(response(packed[:-9], Content_Encoding=coding), LIMIT)
    assert CONTENT.startswith(content)
    assert not complete
    assert await read_body(response(packed[:1], Content_Encoding="gzip"), LIMIT) == (b"", False)


@pytest.mark.anyio
@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip, br", "br", "zstd", "snappy", "gzip gzip", "deflate,gzip"])
async def test_what_nobody_asked_for_is_refused(coding: str) -> None:
    """Two layers of a few kilobytes can become gigabytes."""
    with pytest.raises(ValueError, match="which was not asked for"):
        await read_body(response(gzipped(gzipped(CONTENT)), Content_Encoding=coding), LIMIT)


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Exception ignored .*<async_generator object")
@pytest.mark.parametrize("packed", [b"\x1f\x8bnonsense", gzipped(CONTENT)[:-8] + bytes(8)])
async def test_a_damaged_body_is_refused(packed: bytes) -> None:
    """It is not what it claims to be."""
    with pytest.raises(ValueError, match="is not the gzip that it claims to be"):
        await read_body(response(packed, Content_Encoding="gzip"), LIMIT)


def bombs() -> Iterator[bytes]:
    zeros = bytes(50_000_000)
    yield gzipped(zeros)
    yield gzipped(gzipped(zeros))


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Exception ignored .*<async_generator object")
async def test_a_bomb_is_unpacked_no_further_than_the_limit() -> None:
    """The memory is never there for it; what was twice packed stays packed once."""
    once, twice = bombs()
    content, complete = await read_body(response(once, 65536, Content_Encoding="gzip"), LIMIT)
    assert (len(content), complete) == (LIMIT + 1, False)
    content, complete = await read_body(response(twice, 65536, Content_Encoding="gzip"), 1 << 20)
    assert (content, complete) == (gzip.decompress(twice), True)
    assert len(content) < 100_000
    endless = b"".join(gzipped(b"") for _ in range(1000))
    assert await read_body(response(endless, 64, Content_Encoding="gzip"), LIMIT) == (b"", False)


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Exception ignored .*<async_generator object")
@pytest.mark.parametrize(
    ("headers", "version", "status", "complete"),
    [
        ({}, b"", 200, True),  # in process
        ({}, b"HTTP/2", 200, True),  # breaks off with an error
        ({}, b"HTTP/1.1", 200, False),  # ends with its connection: whoever cuts it off ends it too
        ({}, b"HTTP/1.0", 404, False),
        ({}, b"HTTP/1.1", 204, True),
        ({"Transfer_Encoding": "chunked"}, b"HTTP/1.1", 200, True),
        ({"Content_Length": "135"}, b"HTTP/1.1", 200, True),
        ({"Content_Length": "136"}, b"HTTP/1.1", 200, False),
        ({"Content_Length": "134"}, b"", 200, False),
        ({"Content_Length": "many"}, b"", 200, True),
    ],
)
async def test_a_body_is_complete_where_its_end_was_announced(
    headers: dict[str, Any], version: bytes, status: int, complete: bool
) -> None:
    """A refusal is believed only then."""
    content = b"" if status == 204 else CONTENT
    assert await read_body(response(content, status=status, version=version, **headers), LIMIT) == (content, complete)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("response", "complete"),
    [
        (httpx.Response(403, content=b"<html>"), True),
        (httpx.Response(403, text="Zugang verweigert für Sie"), True),
        (httpx.Response(403, html="<html>"), True),
        (httpx.Response(403, json={"error": "no"}), True),
        (httpx.Response(403), True),
        (httpx.Response(403, headers={"Content-Encoding": "gzip"}, content=gzipped(b"<html>" * 9)), True),
        (httpx.Response(403, headers={"Content-Length": "100"}, content=b"<html>"), False),
        (httpx.Response(403, content=b"x" * 2000), False),
    ],
)
async def test_what_was_made_in_memory_is_as_long_as_it_is(response: httpx.Response, *, complete: bool) -> None:
    """A mock or a replay downloads nothing, and breaks off where it says so."""
    assert (await read_body(response, 1000))[1] is complete


@pytest.mark.anyio
async def test_what_a_hook_has_read_is_taken_as_it_is() -> None:
    """Httpx has unpacked it by then."""
    read = response(gzipped(CONTENT), Content_Encoding="gzip")
    await read.aread()
    assert await read_body(read, LIMIT) == (CONTENT, True)
    assert await read_body(httpx.Response(200, content=CONTENT), 5) == (CONTENT, False)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.integers(1, 50), st.integers(0, 100))
def test_no_bytes_make_it_raise_anything_else_or_exceed_its_limit(
    content: bytes, coding: str, size: int, limit: int
) -> None:
    """Whatever comes."""
    unpacker = Unpacker(coding)
    with suppress(ValueError):
        for start in range(0, len(content), size):
            assert len(unpacker.unpack(content[start : start + size], limit)) <= limit


class Handed(httpx.AsyncByteStream):
    """A body whose iterator is no generator, and has no way to be closed early."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return Parts(self._parts)


class Parts(AsyncIterator[bytes]):
    """Such an iterator."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)

    async def __anext__(self) -> bytes:
        try:
            return next(self._parts)
        except StopIteration:
            raise StopAsyncIteration from None


@pytest.mark.anyio
@pytest.mark.parametrize(("limit", "expected"), [(LIMIT, (b"half a room", True)), (3, (b"half", False))])
async def test_a_body_of_any_making_is_read(limit: int, expected: tuple[bytes, bool]) -> None:
    """A transport of the user's hands it over in its own way."""
    handed = Handed(b"half ", b"a room") if limit == LIMIT else Handed(b"half", b" a room")
    assert await read_body(httpx.Response(200, stream=handed), limit) == expected


@pytest.mark.anyio
async def test_a_body_that_was_closed_unread_is_missing() -> None:
    """By a hook of the user's; an empty body would be an answer."""
    closed = response(CONTENT)
    await closed.aclose()
    with pytest.raises(httpx.StreamClosed):
        await read_body(closed, LIMIT)
