"""Drawn interiors: the photographs that come with the sandbox, by day and by night."""

import functools
import hashlib
import re

import av
import numpy as np

from ideal_async.sandbox._pictures import Bytes, to_jpeg
from ideal_async.sandbox._rooms.photograph import photograph
from ideal_async.sandbox._rooms.plans import KINDS, PALETTES

__all__ = ["draw_room"]

#: Words in a name, and the kind of room they ask for; the first that is found counts.
_WORDS = (
    (r"living|lounge|salon|sofa|parlou?r", "living"),
    (r"bed|sleep|guest|nursery", "bedroom"),
    (r"kitchen|cook", "kitchen"),
    (r"bath|shower|spa|toilet", "bath"),
    (r"study|office|desk|work|library", "study"),
    (r"dining|dinner|breakfast", "dining"),
    (r"loft|studio|brick", "loft"),
)


def draw_room(name: str, width: int = 1280, height: int = 720) -> bytes:
    r"""Draw an interior, always the same for one name, as a JPEG file; blocking, for a thread.

    Words such as living, bedroom, kitchen, bath, study, dining and loft choose the kind of room; other names get one
    of them. "day" and "night" in a name change the light and nothing else.

    Args:
        name: any text, such as "bedroom-3-night".
        width: pixels, at least 16.
        height: pixels, at least 16.

    >>> draw_room("loft", 64, 36)[:3]
    b'\xff\xd8\xff'
    """
    night = "night" in name.lower()
    plain = re.sub(r"night|day", "", name.lower())
    seed = hashlib.sha256(plain.encode()).digest()
    kind = next((kind for words, kind in _WORDS if re.search(words, plain)), tuple(KINDS)[seed[0] % len(KINDS)])
    picture = _photograph(kind, seed[1] % len(PALETTES), width, height, night=night)
    if seed[2] % 2:
        picture = np.ascontiguousarray(picture[:, ::-1])
    return to_jpeg(av.VideoFrame.from_ndarray(picture, format="rgb24"), bt709=False)


@functools.lru_cache(maxsize=16)  # a demo asks for few rooms, again and again; each takes 3 MB
def _photograph(kind: str, palette: int, width: int, height: int, *, night: bool) -> Bytes:
    return photograph(KINDS[kind](PALETTES[palette]), width, height, night=night)
