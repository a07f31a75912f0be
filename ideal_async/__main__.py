"""`python -m ideal_async`, and the console script `ideal-async`."""

import sys
from collections.abc import Sequence

#: What the extra `cli` brings.
_PARTS = {"cyclopts", "rich", "jinja2"}


def main(tokens: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; without the extra `cli`, say how to get it.

    Args:
        tokens: The words after the program's name; by default those of this process.
    """
    try:
        from .cli import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PARTS:
            raise
        sys.stderr.write('The command line needs its extra: pip install "ideal-async[cli]"\n')
        return 2
    return run(sys.argv[1:] if tokens is None else tokens)


if __name__ == "__main__":
    sys.exit(main())
