"""The commands and what they take."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from ideal_async import __version__

#: The last command's exit code tells a script what to do next.
DONE, SOME_FAILED, BAD_INPUT, STOPPED, IN_DOUBT, INTERRUPTED = 0, 1, 2, 3, 4, 130

app = App(
    name="ideal-async",
    help="Photographs to videos with the Ideal House API, paid for once.",
    version=__version__,
    help_format="markdown",
)


def run(tokens: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    try:
        code = app(tokens, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return BAD_INPUT
    except ValueError as error:
        Console(stderr=True).print(str(error), style="red", soft_wrap=True, highlight=False, markup=False)
        return BAD_INPUT
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted.")
        return INTERRUPTED
    return code if isinstance(code, int) else DONE


@app.command
def demo(
    *,
    jobs: int = 100,
    images: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    out: Path = Path("videos"),
    speed: float = 8.0,
    workers: int = 10,
    resolution: Literal["480p", "720p", "1080p"] | None = None,
) -> int:
    """Make real videos offline: a sandbox of the whole service on this computer, and a batch over real HTTP.

    Args:
        jobs: How many videos.
        images: A folder of your own photographs (JPEG, PNG, WebP), or URLs; by default the sandbox draws rooms.
        out: Where the videos and their covers go.
        speed: How much faster than the real service the sandbox works.
        workers: How many tasks the sandbox works on at once.
        resolution: The same for all; by default a mix.
    """
    from ._demo import run_demo

    board = run_demo(Console(), out, jobs=jobs, images=images, speed=speed, workers=workers, resolution=resolution)
    return DONE if board.counts["done"] == len(board.jobs) else SOME_FAILED
