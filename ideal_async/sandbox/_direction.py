"""What the words of a prompt ask of a camera."""

import re

import attrs

from ideal_async.sandbox._camera import Move
from ideal_async.sandbox._words import wanted

#: What a prompt that directs nothing gets: a slow push with a breath of depth.
GENTLE = Move(zoom=1.12, orbit=0.012)

_GOES = (
    r"\b(?:camera|view|pan|mov|slid|track|truck|drift|glid|sweep|travel|swing|turn|look|tilt|crane|pedestal|boom|jib)\w*"
    r"\W+(?:\w+\W+){0,5}?"
)
_AWAY = r"\W+(?:\w+\W+){0,2}?(?:out|back|backwards?|away)\b"
_CLOSER = r"\W+(?:\w+\W+){0,2}?(?:in|into|forwards?|closer|through|towards?)\b"
#: Words and what they set. Of two that set the same, the one that comes first in the prompt counts.
DIRECTIONS: tuple[tuple[str, dict[str, float]], ...] = (
    (r"\b(?:static|locked|fixed|motionless|tripod)\b|\bstill\W+(?:camera|shot|frame)", {"zoom": 1.02}),
    (r"\bno\W+(?:camera\W+)?(?:move|motion)", {"zoom": 1.02}),
    (r"\b(?:zoom|pull|dolly|dollies|back|mov|step|track|camera)\w*" + _AWAY + r"|\breveal", {"zoom": 0.8}),
    (r"\b(?:push|dolly|dollies|mov|walk|fly|flies|step|track|glid|camera)\w*" + _CLOSER, {"zoom": 1.3}),
    (r"\bzoom|\bapproach|\bclose.?up\b|\bfocus(?:es)?\W+on\b|\bfpv\b", {"zoom": 1.3}),
    (_GOES + r"left\b(?!\W+to\W+(?:the\W+)?right\b)", {"x": -1}),
    (_GOES + r"right\b(?!\W+to\W+(?:the\W+)?left\b)", {"x": 1}),
    (r"\bpan(?:s|ning|orama|oramic)?\b", {"x": 1}),
    (_GOES + r"(?:up|upwards?)\b|\b(?:rise|rises|rising|ascend\w*)\b(?!\W+sun)", {"y": -1}),
    (_GOES + r"(?:down|downwards?)\b|\b(?:descend|lower)\w*", {"y": 1}),
    (r"\b(?:(?:roll|rotat|spin|twist)\w*\W+(?:\w+\W+){0,3}?)?(?:counter.?|anti.?)clockwise", {"roll": -0.1}),
    (r"\b(?:orbit|circl|revolv|arc)\w*\W+(?:\w+\W+){0,3}?left\b", {"orbit": -0.035}),
    (
        r"\b(?:orbit|circl|revolv|parallax|arcs?\b|3d\b|360)|\b(?:rotat|mov|turn|fly|flies)\w*\W+around\b",
        {"orbit": 0.035},
    ),
    (r"\b(?:roll|rotat|spin|twist|dutch|clockwise)", {"roll": 0.1}),
)
_HASTE = ((r"\b(?:slow|gentl|subtl|slight)", 0.7), (r"\b(?:fast|quick|rapid|swift|dramatic|dynamic)", 1.35))


def direct(prompt: str) -> Move:
    """Read a camera move out of a prompt; what it does not mention stays still, and no mention at all is `GENTLE`.

    >>> direct("Pan slowly from left to right")
    Move(zoom=1.0, x=0.7, y=0.0, roll=0.0, orbit=0.0)
    """
    prompt = wanted(prompt)
    heard = ((re.search(words, prompt, re.IGNORECASE), effect) for words, effect in DIRECTIONS)
    inorder = sorted(((match.start(), effect) for match, effect in heard if match), key=lambda pair: pair[0])
    asked: dict[str, float] = {}
    for _, effect in inorder:
        asked = effect | asked
    if not asked:
        return GENTLE
    if "orbit" in asked:  # "orbit left", "rotate around": the words of the swing are not also a pan or a roll
        asked = {name: value for name, value in asked.items() if name in {"zoom", "orbit"}}
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
