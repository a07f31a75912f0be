"""What the words of a prompt are about: the vocabulary that pictures and sounds share."""

import re

_UNWANTED = re.compile(
    r"\b(?:no|not|without|avoid|never|don.?t)\W+(?:any\W+)?(?!any\b|camera|motion|move)\w+(?:\W+(?:in|out|left|right|up|down)\b)?",
    re.IGNORECASE,
)
#: Things of which a prompt may speak, and the words that mean them.
THINGS = {
    "rain": r"rain(?:s|y|ing|drops?|fall)?|drizzl\w*|downpour|(?:thunder)?storm(?:s|y)?",
    "snow": r"snow(?:s|y|ing|fall|flakes?)?|blizzard",
    "sea": r"seas?|seaside|ocean|waves|beach|coast|surf|shore",
    "river": r"river|brook|creek|waterfall|fountain|water|pool|lake|pond|shower|bath(?:tub)?|tap|faucet",
    "fire": r"fires?|fireplace|hearth|flames?|campfire|bonfire|stove|burning",
    "candle": r"candles?|candlelight|lantern|torch",
    "kettle": r"kettle|boil\w*|teapot|simmer\w*",
    "steam": r"steam\w*|vapou?r|smok(?:e|es|ing|y)|incense",
    "mist": r"mist\w*|fog\w*|haze",
    "birds": r"birds?|birdsong|garden|forest|woods|park|terrace|balcony|meadow",
    "insects": r"crickets?|cicadas?",
    "wind": r"wind(?:y)?|breez\w*|gusts?|mountains?|desert",
    "street": r"street|traffic|cit(?:y|ies)|urban|cars?|road|downtown|avenue",
    "people": r"people|crowd|caf[eé]|restaurant|guests|party|conversation|chatter|market",
    "clock": r"clock|study|office|library|desk",
    "music": r"music|piano|melody|song|jazz|lo-?fi",
    "curtains": r"curtains?|drapes?|sheers?|linen|fabrics?|cloths?|flags?|veils?",
    "leaves": r"leaf|leaves|plants?|trees?|branch(?:es)?|palms?|grass(?:es)?|foliage|flowers?|ferns?|petals?",
    "clouds": r"clouds?|sky|skies",
    "dust": r"dust|motes?|particles?|sparkles?|fireflies",
}


def wanted(prompt: str) -> str:
    """The prompt without what it says it does not want: "no rain" does not ask for rain."""
    return _UNWANTED.sub("", prompt)


def find(thing: str, prompt: str) -> int | None:
    """Where a wanted prompt first speaks of a thing, in characters from its start; None if it does not."""
    found = re.search(rf"\b(?:{THINGS[thing]})\b", prompt, re.IGNORECASE)
    return None if found is None else found.start()


#: Verbs of things that move a little without going anywhere.
_STIRRING = re.compile(
    r"\b(?:sway|mov|blow|flutter|billow|rustl|rippl|drift|wav(?:e|ing)|danc|swing|stir|float|flow|breez|wind|shimmer|trembl"
    r"|gust|rock|quiver|lap)\w*",
    re.IGNORECASE,
)


def stirs(prompt: str) -> bool:
    """Whether a wanted prompt says that something moves a little: curtains are not always in a draught."""
    return _STIRRING.search(prompt) is not None
