"""The words of a command line, spelled so that the parser takes each for what the person meant."""

import re
from collections.abc import Sequence

#: The standard input as a word that no parser takes for an option; `-` is one for some.
STDIN = "<stdin>"
#: The commands that read it.
READERS = ("batch", "estimate")
#: Options whose value is text of a person's, and may begin with a hyphen.
TEXTS = {"--prompt", "--key", "--out", "--journal", "--name", "--last-image-url", "--api-key-file", "--upload-to"}


def spell(tokens: Sequence[str]) -> list[str]:
    """Write the words of a command line so that the parser takes those that begin with a hyphen for what they are.

    >>> spell(["batch", "-", "--prompt", "-5 degrees", "--yes"])
    ['batch', '<stdin>', '--prompt=-5 degrees', '--yes']
    """
    spelled: list[str] = []
    words = iter(tokens)
    for word in words:
        if word == "--":
            return [*spelled, word, *words]
        if word == "-":
            spelled.append(STDIN)
            continue
        value = next(words, None) if word in TEXTS else None
        if value is None:
            spelled.append(word)
        elif re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", value):  # an option of ours: the value was forgotten
            spelled += [word, *spell([value, *words])]
        else:
            spelled.append(f"{word}={value}")
    return spelled
