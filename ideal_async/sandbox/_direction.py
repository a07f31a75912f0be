"""What the words of a prompt ask of a camera, and what they only say of things in the picture."""

import re
from collections.abc import Iterator

import attrs

from ideal_async.sandbox._camera import Move
from ideal_async.sandbox._words import THINGS, wanted

#: What a prompt that directs nothing gets: a slow push with a breath of depth.
GENTLE = Move(zoom=1.12, orbit=0.012)

#: Words that can only be about the camera.
_CAMERA = (
    r"camera|view|viewpoint|shot|lens|frame|drone|perspective|zoom\w*|pan(?:s|n\w*|orama|oramic)?|doll(?:y|ies)\w*|tilt\w*"
    r"|truck(?:s|ing)?|crane|pedestal|boom|jib|orbit\w*|parallax|fpv|push\w*|pull\w*|close.?up|we"
)
#: Verbs that cameras and things have in common, and what becomes of a picture when it is the camera's.
_GOES = (
    r"\b(?:camera|view|pan|mov|slid|track|truck|drift|glid|sweep|travel|swing|turn|look|tilt|crane|pedestal|boom|jib)\w*"
    r"\W+(?:\w+\W+){0,5}?"
)
_AWAY = r"\W+(?:\w+\W+){0,2}?(?:out|back|backwards?|away)\b"
_CLOSER = r"\W+(?:\w+\W+){0,2}?(?:in|into|forwards?|closer|through|towards?)\b"
#: A camera at rest: everything that could move it is set, so that nothing later in the prompt moves it.
_REST: dict[str, float] = {"zoom": 1.0, "x": 0.0, "y": 0.0, "roll": 0.0, "orbit": 0.0, "depth": 0.0}
_STATIC = (
    r"\b(?:static|stationary|motionless|immobile)\b|\blocked.?(?:off|down)\b|\b(?:on\W+a|by)\W+tripod\b|\btripod\W+shot"
    r"|\b(?:fixed|still|locked|unmoving)\W+(?:camera|shot|frame|angle|lens|view|perspective)"
    r"|\b(?:camera|shot|view|frame|everything)\W+(?:is|stays?|remains?|keeps?|holds?|stands?)\W+(?:\w+ly\W+)?"
    r"(?:still|fixed|steady|put|locked|where|in\W+place)\b"
    r"|\bcamera\W+(?:(?:does|do|must|should|will|is)\W*n.t|(?:does|do|must|should|will|is)\W+not|never)\W+mov"
    r"|\b(?:no|without|zero)\W+(?:any\W+)?(?:camera\W+)?(?:move|motion|shak)|\bnothing\W+moves|\bfreeze\b|\bdon.?t\W+move\b"
)
#: Words and what they set. Of two that set the same, the one that comes first in the prompt counts.
DIRECTIONS: tuple[tuple[str, dict[str, float]], ...] = (
    (_STATIC, _REST),
    (r"\b(?:doll(?:y|ies)|back|mov|walk|step|track|fly|flies|glid)\w*" + _AWAY, {"zoom": 0.8, "depth": 1}),
    (r"\b(?:zoom|pull|camera)\w*" + _AWAY + r"|\breveals?\b", {"zoom": 0.8}),
    (
        r"\b(?:push|doll(?:y|ies)|mov|walk|fly|flies|step|track|glid|camera|travel|drift)\w*" + _CLOSER,
        {"zoom": 1.3, "depth": 1},
    ),
    (r"\bdoll(?:y|ies|ying)\b|\bapproach|\bfpv\b", {"zoom": 1.3, "depth": 1}),
    (r"\bzoom|\bclose.?up\b|\bfocus(?:es)?\W+on\b", {"zoom": 1.3}),
    (
        r"\b(?:slid|track|truck|drift|glid|travel|mov)\w*\W+(?:\w+\W+){0,5}?left\b(?!\W+to\W+(?:the\W+)?right\b)",
        {"x": -1, "depth": 1},
    ),
    (
        r"\b(?:slid|track|truck|drift|glid|travel|mov)\w*\W+(?:\w+\W+){0,5}?right\b(?!\W+to\W+(?:the\W+)?left\b)",
        {"x": 1, "depth": 1},
    ),
    (_GOES + r"left\b(?!\W+to\W+(?:the\W+)?right\b)", {"x": -1}),
    (_GOES + r"right\b(?!\W+to\W+(?:the\W+)?left\b)", {"x": 1}),
    (r"\bpan(?:s|ning|orama|oramic)?\b", {"x": 1}),
    (_GOES + r"(?:up|upwards?)\b|\b(?:rise|rises|rising|ascend\w*)\b(?!\W+sun)", {"y": -1}),
    (_GOES + r"(?:down|downwards?)\b|\b(?:descend|lower)\w*", {"y": 1}),
    (r"\b(?:(?:roll|rotat|spin|twist)\w*\W+(?:\w+\W+){0,3}?)?(?:counter.?|anti.?)clockwise", {"roll": -0.1}),
    (r"\b(?:orbit|circl|revolv|arc)\w*\W+(?:\w+\W+){0,3}?left\b", {"orbit": -0.045}),
    (
        r"\b(?:orbit|circl|revolv|parallax|arcs?\b(?!\W+lamp)|3d\b|360)|\b(?:rotat|mov|turn|fly|flies|walk)\w*\W+around\b",
        {"orbit": 0.045},
    ),
    (r"\b(?:roll(?:s|ing)?\b|rotat|spin|twist|dutch|clockwise)", {"roll": 0.1}),
)
_HASTE = ((r"\b(?:slow|gentl|subtl|slight)", 0.7), (r"\b(?:fast|quick|rapid|swift|dramatic|dynamic)", 1.35))

_CAMERAS = re.compile(rf"\b(?:{_CAMERA})\b", re.IGNORECASE)
#: Where one statement ends and another, with a subject of its own, begins.
_CLAUSE = re.compile(r"[,.;:!?\n]|\b(?:and|while|as|with|but|then|when|whilst)\b", re.IGNORECASE)
#: Somebody or something else than the camera as the subject of a verb: "the cat", "leaves", "two people".
_SUBJECT = re.compile(
    rf"\b(?:{'|'.join(THINGS.values())})\b"
    r"|\b(?:sun|moon|stars?|fan|bus|train|boats?|ships?|cats?|dogs?|man|men|woman|women|child|children|person|lights?"
    r"|shadows?|doors?|blinds?|lamps?|hair|he|she|it|they|someone|somebody)\b"
    r"|^\W*(?:\w+ly\W+)?(?:the|some|his|her|their|its|this|that|two|three|several|many)\b"
    r"|\b\w*[a-rtv-z]s\W+(?:\w+ly\W+)?$",  # a plural just before its verb
    re.IGNORECASE,
)
#: What may follow a camera's "moving ...": where to, or how. Anything else is what moves: "rolling hills".
_WAY = re.compile(
    r"\s*(?:$|[,.;:!?]|\w+ly\b|(?:in|into|out|up|down|left|right|back|away|forwards?|backwards?|upwards?|downwards?|around|round"
    r"|through|over|across|along|past|to|towards?|closer|from|the|a|around|about|sideways|(?:counter|anti).?clockwise|clockwise"
    rf"|movement|motion|{_CAMERA})\b)",
    re.IGNORECASE,
)


def direct(prompt: str) -> Move:
    """Read a camera move out of a prompt; what it does not mention stays still, and no mention at all is `GENTLE`.

    Things that move in the picture do not move the camera.

    >>> direct("Pan slowly from left to right")
    Move(zoom=1.0, x=0.7, y=0.0, roll=0.0, orbit=0.0, depth=0.0)
    >>> direct("Static shot, steam rises from the cup")
    Move(zoom=1.0, x=0.0, y=0.0, roll=0.0, orbit=0.0, depth=0.0)
    """
    prompt = wanted(prompt)
    heard = ((next(_said(words, prompt), None), effect) for words, effect in DIRECTIONS)
    inorder = sorted(((at, effect) for at, effect in heard if at is not None), key=lambda pair: pair[0])
    asked: dict[str, float] = {}
    for _, effect in inorder:
        asked = effect | asked
    if not asked:
        return GENTLE
    if asked.get("orbit"):  # "orbit left", "rotate around": the words of the swing are not also a pan or a roll
        asked = {name: value for name, value in asked.items() if name in {"zoom", "orbit", "depth"}}
    strength = next((factor for words, factor in _HASTE if re.search(words, prompt, re.IGNORECASE)), 1.0)
    move = Move(**asked)
    return attrs.evolve(
        move,
        zoom=move.zoom**strength,
        x=max(-1.0, min(1.0, move.x * strength)),
        y=max(-1.0, min(1.0, move.y * strength)),
        roll=move.roll * strength,
        orbit=move.orbit * strength,
    )


def _said(words: str, prompt: str) -> Iterator[int]:
    """Where a prompt says these words of the camera."""
    for match in re.finditer(words, prompt, re.IGNORECASE):
        if words is _STATIC or (_is_one(match[0]) and _is_the_cameras(prompt, match.start())):
            yield match.start()


def _is_one(words: str) -> bool:
    """Whether words are one statement: nothing else begins to move in the middle of them."""
    return not any(_SUBJECT.search(words, end.end()) for end in _CLAUSE.finditer(words))


def _is_the_cameras(prompt: str, at: int) -> bool:
    """Whether the verb at this place is the camera's, and not that of a thing in the picture."""
    ends = [(0, ""), *((found.end(), found[0].lower()) for found in _CLAUSE.finditer(prompt, 0, at))]
    if ends[-1][1] == "and" and not prompt[ends[-1][0] : at].strip():
        ends.pop()  # "flames twist and rise": the subject has been said
    before = prompt[ends[-1][0] : at]
    word = prompt[at:].split(maxsplit=1)[0].rstrip(".,;:!?").lower()
    if _CAMERAS.match(prompt, at) or _CAMERAS.search(before):
        return True
    if _SUBJECT.search(before):
        return False
    if word.endswith("ing"):
        return _WAY.match(prompt, at + len(word)) is not None
    return not word.endswith("s") or word in {"arcs", "360s"}
