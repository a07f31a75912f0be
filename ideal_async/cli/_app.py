"""The commands and what they take."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
from cyclopts import App, CycloptsError, Parameter
from cyclopts.types import NonNegativeInt, PositiveFloat, PositiveInt

from ideal_async import IdealError, __version__

from ._connection import Connection
from ._journal import journal_app
from ._terminal import DONE, EXIT_CODES, FAILED, INTERRUPTED, MISUSED, UNFINISHED, Refused, invocation, people, say

app = App(
    name="ideal-async",
    help="Photographs to videos with the Ideal House API, paid for once.",
    help_epilogue=EXIT_CODES,
    version=__version__,
    help_format="markdown",
)
app.command(journal_app)


def run(tokens: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    invocation.set(tuple(tokens))
    try:
        code = app(tokens, console=None, error_console=people(), exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return MISUSED  # it is on the screen already
    except (Refused, IdealError, OSError, KeyboardInterrupt) as error:
        return _tell(error)
    return code if isinstance(code, int) else DONE


def _tell(error: BaseException) -> int:
    """Say in a line why a command ended, and with which exit code."""
    match error:
        case Refused():
            say(str(error), style="red")
            return error.code
        case BrokenPipeError():
            # Whoever read our output has left, as `head` does. What is still buffered would raise once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
        case KeyboardInterrupt():
            say("Interrupted.")
            return INTERRUPTED
        case OSError():
            say(f"This computer says no: {error}", style="red")
            return UNFINISHED
        case _:
            say(str(error), style="red")
            return FAILED


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Fields:
    """The fields of a request, but for the picture; of a batch, for the rows that leave them out."""

    duration: Annotated[Literal[5, 10] | None, Parameter(help="Seconds of video.")] = None
    resolution: Annotated[Literal["480p", "720p", "1080p"] | None, Parameter(help="Of the video.")] = None
    model_type: Annotated[Literal["Flash", "Base"] | None, Parameter(help="Flash is faster, Base can make audio.")] = (
        None
    )
    generate_audio: Annotated[bool | None, Parameter(help="Background audio; only with Base.")] = None
    prompt: Annotated[str | None, Parameter(help="What should move, and how.")] = None
    last_image_url: Annotated[str | None, Parameter(help="Last frame; switches on first-last frame mode.")] = None

    def given(self) -> dict[str, Any]:
        """Tell the fields that were given."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}


Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]
Flag = Parameter(negative=(), show_default=False)


@app.command
def batch(
    *jobs: str,
    fields: Fields | None = None,
    out: Path = Path("videos"),
    budget: NonNegativeInt | None = None,
    yes: Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), show_default=False)] = False,
    dry_run: Annotated[bool, Flag] = False,
    retry_failed: Annotated[bool, Flag] = False,
    gallery: Annotated[bool, Flag] = False,
    journal: Path | None = None,
    max_in_flight: PositiveInt = 200,
    timeout: PositiveFloat | None = None,
    json: Json = False,
    connection: Connection | None = None,
) -> int:
    """Make many videos: checked whole, priced, confirmed, downloaded as they finish, and resumed by the same command.

    Jobs are CSV or JSON Lines files (or patterns of such files), lists of URLs, URLs, or patterns of URLs such as
    `https://example.com/room-[001-400].jpg` or `https://example.com/{day,night}.jpg`; `-` is the standard input.
    Columns are the API's fields (`imageUrl` or `image_url`, …) and, optionally, `key`, which names a job for ever:
    the same key is never paid twice.

    **Examples**

    * `ideal-async batch rooms.csv --dry-run`
    * `ideal-async batch rooms.csv --out videos --budget 4000 --gallery`
    * `ideal-async batch "https://example.com/{living,bath}-day.jpg" --duration 5 --resolution 720p --yes`

    Args:
        jobs: Where the jobs are.
        out: Folder for videos, covers, results.jsonl, results.csv and the journal.
        budget: Credits these jobs may cost, in all runs together.
        yes: Spend without asking.
        dry_run: Tell what would be made and what it would cost; send nothing.
        retry_failed: Make failed (and refunded) jobs anew.
        gallery: Write index.html, a page to look at them all.
        journal: File that remembers what was paid; by default batch.journal in --out.
        max_in_flight: Jobs submitted and not ended, at most.
        timeout: Seconds after which to stop waiting; the same command goes on.
        json: Write the summary as JSON, for scripts.
        fields: For the rows that leave them out.
        connection: To the service.
    """
    from ._batch import make_batch
    from ._summary import Wishes

    if not jobs:
        raise Refused("name the jobs: a CSV or JSON Lines file, URLs, or - for the standard input")
    wishes = Wishes(
        out=out,
        journal=journal,
        budget=budget,
        yes=yes,
        dry_run=dry_run,
        retry_failed=retry_failed,
        gallery=gallery,
        max_in_flight=max_in_flight,
        timeout=timeout,
        as_json=json,
    )
    return make_batch(jobs, (fields or Fields()).given(), connection or Connection(), wishes)


@app.command
def generate(
    image_url: str,
    /,
    *,
    fields: Fields | None = None,
    key: str | None = None,
    journal: Path | None = None,
    out: Path = Path(),
    timeout: PositiveFloat | None = None,
    json: Json = False,
    connection: Connection | None = None,
) -> int:
    """Make one video and save it with its cover.

    **Example**

    * `ideal-async generate https://example.com/room.jpg --duration 5 --resolution 720p --prompt "Gentle zoom in"`

    Args:
        image_url: Of the picture; the API fetches it itself.
        key: Names the job: with the same journal it is never paid twice.
        journal: File that remembers what was paid.
        out: Folder for the files.
        timeout: Seconds after which to stop waiting; the task goes on.
        json: Write the result as JSON, for scripts.
        fields: Of the request.
        connection: To the service.
    """
    from ._tasks import generate

    wanted = {"image_url": image_url, **(fields or Fields()).given()}
    return generate(
        wanted, connection or Connection(), key=key, journal=journal, out=out, timeout=timeout, as_json=json
    )


@app.command
def status(
    *task_ids: int,
    watch: Annotated[bool, Flag] = False,
    out: Path | None = None,
    json: Json = False,
    connection: Connection | None = None,
) -> int:
    """Tell how tasks stand; follow them to their end; save their files.

    **Examples**

    * `ideal-async status 1234567890123456789 --json`
    * `ideal-async status 1234567890123456789 --out videos`

    Args:
        task_ids: Of any tasks of this account.
        watch: Follow until they ended, and write each change.
        out: Folder for the videos and covers; waits for them.
        json: Write each look as a line of JSON, with all that the API said.
        connection: To the service.
    """
    from ._tasks import look

    return look(task_ids, connection or Connection(), watch=watch, out=out, as_json=json)


@app.command
def estimate(*jobs: str, fields: Fields | None = None, json: Json = False) -> int:
    """Tell what jobs cost, from the price table; without jobs, write that table. No key is needed.

    **Example**

    * `ideal-async estimate rooms.csv --resolution 720p`

    Args:
        jobs: As for `batch`.
        json: Write the prices as JSON, for scripts.
        fields: For the rows that leave them out.
    """
    from ._prices import show_estimate, show_prices

    if not jobs:
        return show_prices(as_json=json)
    return show_estimate(jobs, (fields or Fields()).given(), as_json=json)


@app.command
def sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str = "sandbox",
    credits: int = 10_000,
    workers: PositiveInt = 10,
    speed: PositiveFloat = 1.0,
    seed: int = 0,
    images: Path | None = None,
    faults: str | None = None,
    render: bool = True,
    url_lifetime: PositiveFloat | None = None,
    http_errors: bool = False,
    allow_private: bool | None = None,
    hosts: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
) -> int:
    """Serve the whole API on this computer, with real videos, until Ctrl-C.

    **Example**

    * `ideal-async sandbox --port 8000 --speed 10`
    * `ideal-async sandbox --faults hostile --seed 7`

    Args:
        host: To listen on; others than this computer can reach it only if you choose so.
        port: 0 takes any free one.
        api_key: The key it accepts; it is no secret.
        credits: On the account of that key.
        workers: Tasks worked on at once.
        speed: Divides every processing time.
        seed: Chooses the dice.
        images: A folder of photographs, served under /images/.
        faults: A script of what goes wrong, one fault a line; or the name of a profile, hostile, for the worst day of a
            service. `python -m pydoc ideal_async.sandbox` has the language.
        render: Make videos; without, results are stand-ins.
        url_lifetime: Seconds for which a result URL works; by default for ever.
        http_errors: Answer errors with an HTTP status of their own; the vendor's page names none.
        allow_private: Fetch images from private addresses too; by default only while nobody else can reach the sandbox.
        hosts: Names by which it may be called besides loopback and numeric addresses; a * allows any.
    """
    from ._sandbox import serve_sandbox

    return serve_sandbox(
        host,
        port,
        api_key=api_key,
        credits=credits,
        workers=workers,
        speed=speed,
        seed=seed,
        images=images,
        faults=faults,
        render=render,
        url_lifetime=url_lifetime,
        http_errors=http_errors,
        allow_private=allow_private,
        hosts=hosts,
    )


@app.command
def demo(
    *,
    jobs: PositiveInt = 100,
    images: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    out: Path = Path("videos"),
    speed: PositiveFloat = 8.0,
    workers: PositiveInt = 10,
    resolution: Literal["480p", "720p", "1080p"] | None = None,
    json: Json = False,
) -> int:
    """Make real videos offline: a sandbox of the whole service on this computer, and a batch over real HTTP.

    **Examples**

    * `ideal-async demo`
    * `ideal-async demo --images ~/Pictures --jobs 20 --resolution 720p`

    Args:
        jobs: How many videos.
        images: A folder of your own photographs (JPEG, PNG, WebP), or URLs; by default the sandbox draws rooms.
        out: Folder for the videos, their covers and the gallery.
        speed: How much faster than the real service the sandbox works.
        workers: How many tasks the sandbox works on at once.
        resolution: The same for all; by default a mix.
        json: Write the summary as JSON, for scripts.
    """
    from ._demo import run_demo

    return run_demo(out, jobs=jobs, images=images, speed=speed, workers=workers, resolution=resolution, as_json=json)


@app.command
def completion(shell: Literal["bash", "fish", "zsh", "powershell"]) -> int:
    """Write the completion script for a shell.

    **Example**

    * `ideal-async completion bash > ~/.local/share/bash-completion/completions/ideal-async`

    Args:
        shell: The one you use.
    """
    sys.stdout.write(app.generate_completion(prog_name="ideal-async", shell=shell))
    return 0
