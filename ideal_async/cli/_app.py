"""The commands; each imports what it does when it is called."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.types import NonNegativeInt, PositiveFloat, PositiveInt

from ideal_async import __version__

from ._connection import Connection
from ._endings import leave_stdout, report_error, verdict
from ._journal import journal_app
from ._names import NAME
from ._options import FILES, MONEY, PACE, SCREEN, Fields, Flag, Json, Source, Yes
from ._places import HostLimits, open_bucket, place_of, without_password
from ._terminal import DONE, EXIT_CODES, MISUSED, Refused, invocation, library_heard, people, prepare_streams
from ._words import READERS, STDIN, spell

app = App(
    name="ideal-async",
    help="Photographs to videos with the Ideal House API, paid for once.",
    help_epilogue=EXIT_CODES,
    version=__version__,
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)

#: Below the help of each command; the codes themselves stand in that of the program.
SEE_CODES = "`ideal-async --help` lists the exit codes."
journal_app.help_epilogue = SEE_CODES
app.command(journal_app)


def run(tokens: Sequence[str]) -> int:
    """Run a command line and return its exit code; no error comes out of it, only a line that tells what mends it."""
    prepare_streams()
    invocation.set(tuple(map(without_password, tokens)))
    verdict.set(DONE)
    try:
        if "-" in tokens[1:] and tokens[0] not in READERS and STDIN in spell(tokens):
            raise Refused(f"- is the standard input, which only {' and '.join(READERS)} read")  # noqa: TRY301
        with library_heard():
            code = app(
                spell(tokens), console=None, error_console=people(), exit_on_error=False, result_action="return_value"
            )
        sys.stdout.flush()
    except CycloptsError:
        return MISUSED  # it is on the screen already
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - the net at the top of the program
        if isinstance(error, OSError):
            leave_stdout()
        return report_error(error)
    return code if isinstance(code, int) else DONE


@app.command(help_epilogue=SEE_CODES)
def batch(
    *jobs: Source,
    fields: Fields | None = None,
    budget: Annotated[NonNegativeInt | None, Parameter(group=MONEY)] = None,
    yes: Yes = False,
    dry_run: Annotated[bool, Flag, Parameter(group=MONEY)] = False,
    retry_failed: Annotated[bool, Flag, Parameter(group=MONEY)] = False,
    out: Annotated[str, Parameter(group=FILES)] = "videos",
    upload_to: Annotated[str | None, Parameter(group=FILES)] = None,
    prepare: Annotated[bool, Flag, Parameter(group=FILES)] = False,
    name: Annotated[str, Parameter(group=FILES)] = NAME,
    gallery: Annotated[bool, Flag, Parameter(group=FILES)] = False,
    open_page: Annotated[bool, Flag, Parameter(name="--open", group=FILES)] = False,
    journal: Annotated[str | None, Parameter(group=FILES)] = None,
    engine: Annotated[str | None, Parameter(group=PACE)] = None,
    ignore_columns: Annotated[
        tuple[str, ...], Parameter(name="--ignore-columns", group=FILES, negative=(), show_default=False)
    ] = (),
    max_in_flight: Annotated[PositiveInt, Parameter(group=PACE)] = 200,
    timeout: Annotated[PositiveFloat | None, Parameter(group=PACE)] = None,
    quiet: Annotated[bool, Flag, Parameter(name=("--quiet", "-q"), group=SCREEN)] = False,
    verbose: Annotated[bool, Flag, Parameter(name=("--verbose", "-v"), group=SCREEN)] = False,
    json: Json = False,
    limits: HostLimits | None = None,
    connection: Connection | None = None,
) -> int:
    """Make many videos: checked whole, priced, confirmed, downloaded as they finish, and resumed by the same command.

    Jobs are files (CSV, JSON Lines, lists of URLs), patterns of files, URLs, or patterns of URLs; `-` is the
    standard input. With --upload-to they may be pictures of this computer too, and folders of them. The columns are
    the fields of the API; a `key` names a job for ever: the same key is never paid twice. The results of an earlier
    run, `results.csv` or `results.jsonl`, are files of jobs too.

    **CSV**, as a spreadsheet writes it:

    ```text
    key,image_url,duration,resolution,prompt
    kitchen,https://example.com/kitchen.jpg,5,720p,Zoom in slowly
    ```

    **JSON Lines**, one object a line:

    ```text
    {"imageUrl": "https://example.com/a.jpg", "duration": 5, "resolution": "720p"}
    ```

    **URLs**, one a line or as arguments; `[001-400]` counts and `{day,night}` lists:

    ```text
    https://example.com/room-[001-400].jpg
    ```

    **Examples**

    ```text
    ideal-async batch rooms.csv --dry-run
    ideal-async batch rooms.csv --out videos --budget 4000 --gallery
    ideal-async batch "https://example.com/{living,bath}-day.jpg" --duration 5 --resolution 720p --yes
    ideal-async batch videos/results.csv --retry-failed
    ideal-async batch photos --upload-to s3://photos/tour --out s3://videos/tour --duration 5 --resolution 720p
    ```

    Args:
        jobs: Where the jobs are.
        budget: Credits these jobs may cost, in all runs together; hosts at the same time have --limit-credits for that.
        yes: Spend without asking.
        dry_run: Tell what would be made and what it would cost; send nothing.
        retry_failed: Make failed jobs anew; what the service did not refund is paid twice.
        out: Folder for videos, covers, results.jsonl, results.csv and the journal. Or a place in a bucket for videos
            and covers, s3://, gs:// or az://; the rest is then in the folder videos.
        upload_to: Where pictures of this computer are published, s3://, gs:// or az://; the keys are those of the
            store's own tools.
        prepare: Make them upright, not too large, JPEG, without EXIF, before they are published.
        name: Of the files: made of {key}, {task_id}, {image}, {resolution}, {duration}, {model_type}.
        gallery: Write index.html, a page to look at them all.
        open_page: Open that page now, and keep it up to date.
        journal: File that remembers what was paid, by default batch.journal in --out; or postgresql://..., the database
            of a journal that several hosts share.
        engine: Let workers elsewhere do it, temporal://host:7233 or redis://host:6379: `ideal-async worker --help`.
        ignore_columns: A column that is no field and may be there; may be given many times.
        max_in_flight: Jobs submitted and not ended, at most.
        timeout: Seconds after which to stop waiting; the same command goes on.
        quiet: Show failures and the summary only.
        verbose: A line for each job that ends.
        json: Write the summary as JSON, for scripts.
        fields: For the rows that leave them out.
        limits: Over all hosts.
        connection: To the service.
    """
    from ._batch import make_batch
    from ._summary import Wishes

    if not jobs:
        raise Refused("name the jobs: a CSV or JSON Lines file, URLs, or - for the standard input")
    target, folder = (open_bucket(out), Path("videos")) if "://" in out else (None, Path(out))
    if target is not None and (gallery or open_page):
        raise Refused("the gallery shows videos of this computer: leave it out, or let --out be a folder")
    if prepare and upload_to is None:
        raise Refused("--prepare is for pictures that are published: name --upload-to too")
    wishes = Wishes(
        out=folder,
        uploads=None if upload_to is None else open_bucket(upload_to, prepare=prepare),
        target=target,
        journal=None if journal is None else place_of(journal),
        engine=engine,
        limits=limits,
        budget=budget,
        yes=yes,
        dry_run=dry_run,
        retry_failed=retry_failed,
        gallery=gallery,
        max_in_flight=max_in_flight,
        timeout=timeout,
        as_json=json,
        name=name,
        quiet=quiet,
        verbose=verbose,
        ignore_columns=[column for columns in ignore_columns for column in columns.split(",")],
        open_page=open_page,
    )
    return make_batch([*map(str, jobs)], (fields or Fields()).given(), connection or Connection(), wishes)


@app.command(help_epilogue=SEE_CODES)
def worker(
    engine: str,
    /,
    *,
    journal: Annotated[str, Parameter(group=FILES)],
    out: Annotated[str | None, Parameter(group=FILES)] = None,
    upload_to: Annotated[str | None, Parameter(group=FILES)] = None,
    chunks_at_once: Annotated[PositiveInt, Parameter(group=PACE)] = 8,
    limits: HostLimits | None = None,
    connection: Connection | None = None,
) -> int:
    """Work for batches that others order (`ideal-async batch ... --engine`), until Ctrl-C or SIGTERM.

    Any number of them on any number of hosts, killed and started at will: nothing is paid twice.

    **Example**

    ```text
    ideal-async worker temporal://localhost:7233 --journal postgresql://postgres@localhost/postgres --out /mnt/videos
    ```

    Args:
        engine: Address of the engine: temporal://host:7233, or of Celery's broker, redis://host:6379.
        journal: The database that all hosts share, postgresql://...
        out: Folder for the videos that all hosts see, or a place in a bucket, s3://, gs:// or az://; without it they
            are only made, and whoever ordered them brings them.
        upload_to: The bucket in which pictures of the batches lie, s3://, gs:// or az://; their URLs are signed here.
        chunks_at_once: Chunks of jobs in work at the same time.
        limits: Over all hosts.
        connection: To the service.
    """
    from ._worker import work

    folder = None if out is None else open_bucket(out) if "://" in out else Path(out)
    return work(
        engine,
        place_of(journal),
        connection or Connection(),
        limits=limits,
        out=folder,
        uploads=None if upload_to is None else open_bucket(upload_to),
        chunks_at_once=chunks_at_once,
    )


@app.command(help_epilogue=SEE_CODES)
def generate(
    image_url: str,
    /,
    *,
    fields: Fields | None = None,
    yes: Yes = False,
    key: Annotated[str | None, Parameter(group=MONEY)] = None,
    journal: Annotated[str | None, Parameter(group=MONEY)] = None,
    out: Annotated[Path, Parameter(group=FILES)] = Path(),
    timeout: Annotated[PositiveFloat | None, Parameter(group=PACE)] = None,
    json: Json = False,
    connection: Connection | None = None,
) -> int:
    """Make one video and save it with its cover. At a terminal it asks before it spends.

    **Example**

    ```text
    ideal-async generate https://example.com/room.jpg --duration 5 --resolution 720p --prompt "Gentle zoom in"
    ```

    Args:
        image_url: Of the picture; the API fetches it itself.
        yes: Spend without asking.
        key: Names the job: with the same journal it is never paid twice.
        journal: File that remembers what was paid; or postgresql://..., one that several hosts share.
        out: Folder for the files.
        timeout: Seconds after which to stop waiting; the task goes on.
        json: Write the result as JSON, for scripts.
        fields: Of the request.
        connection: To the service.
    """
    from ._tasks import generate

    wanted = {"image_url": image_url, **(fields or Fields()).given()}
    return generate(
        wanted,
        connection or Connection(),
        key=key,
        journal=None if journal is None else place_of(journal),
        out=out,
        timeout=timeout,
        yes=yes,
        as_json=json,
    )


@app.command(help_epilogue=SEE_CODES)
def status(
    *tasks: str,
    journal: Annotated[str | None, Parameter(group=FILES)] = None,
    watch: Annotated[bool, Flag] = False,
    out: Annotated[Path | None, Parameter(group=FILES)] = None,
    json: Json = False,
    connection: Connection | None = None,
) -> int:
    """Tell how tasks stand; follow them to their end; save their files.

    With a journal it takes keys too, and looks only at what had not ended when the journal heard of it last.

    **Examples**

    ```text
    ideal-async status 1234567890123456789 --json
    ideal-async status 1234567890123456789 --out videos
    ideal-async status order-42 --journal postgresql://db.example/videos
    ```

    Args:
        tasks: Ids of any tasks of this account; with a journal, keys as well.
        journal: That knows them: a file, the folder of a batch, or postgresql://...
        watch: Follow until they ended, and write each change.
        out: Folder for the videos and covers; waits for them.
        json: Write each look as a line of JSON, with all that the API said.
        connection: To the service.
    """
    if journal is not None:
        from ._status import look_up

        return look_up(tasks, journal, connection or Connection(), watch=watch, out=out, as_json=json)
    from ._tasks import look, read_ids

    return look(read_ids(tasks), connection or Connection(), watch=watch, out=out, as_json=json)


@app.command(help_epilogue=SEE_CODES)
def estimate(*jobs: Source, fields: Fields | None = None, json: Json = False) -> int:
    """Tell what jobs cost, from the price table; without jobs, write that table. No key is needed.

    **Example**

    ```text
    ideal-async estimate rooms.csv --resolution 720p
    ideal-async estimate photos --duration 5 --resolution 720p
    ```

    Args:
        jobs: As for `batch`; pictures of this computer, and folders of them, without --upload-to.
        json: Write the prices as JSON, for scripts.
        fields: For the rows that leave them out.
    """
    from ._prices import show_estimate, show_prices

    if not jobs:
        return show_prices(as_json=json)
    return show_estimate([*map(str, jobs)], (fields or Fields()).given(), as_json=json)


@app.command(help_epilogue=SEE_CODES)
def doctor(*, json: Json = False, connection: Connection | None = None) -> int:
    """Look whether everything is in order: service, key, clock, disk, proxy, extras. It costs nothing.

    **Example**

    ```text
    ideal-async doctor
    ```

    Args:
        json: Write what was found as JSON, for scripts.
        connection: To the service.
    """
    from ._doctor import examine

    return examine(connection or Connection(), as_json=json)


@app.command(help_epilogue=SEE_CODES)
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
    log: Annotated[bool, Flag] = False,
) -> int:
    """Serve the whole API on this computer, with real videos, until Ctrl-C.

    **Example**

    ```text
    ideal-async sandbox --port 8000 --speed 10
    ideal-async sandbox --faults hostile --seed 7
    ideal-async sandbox --faults "task 5%: fail"
    ```

    **Faults**, one a line: which call, a colon, what happens

    ```text
    submit 2: drop after                    paid, and the answer was lost
    look 10%: 502 html by nginx             somebody in between, now and then
    look 3-5: 429 retry-after date+30
    submit: envelope code=200               other words for the truth
    look: say Success=SUCCESS
    look: packed gzip gzip                  bodies as no client likes them
    download 1: endless
    task 3: url after 20                    results late, or never
    task 4: fail as Cancelled
    ```

    Args:
        host: To listen on; others than this computer can reach it only if you choose so.
        port: 0 takes any free one.
        api_key: The key it accepts; it is no secret.
        credits: On the account of that key.
        workers: Tasks worked on at once.
        speed: Divides every processing time.
        seed: Chooses the dice.
        images: A folder of photographs, served under /images/.
        faults: What goes wrong: a script, or a file of one; or the name of a profile, hostile, for the worst day of a
            service. `python -m pydoc ideal_async.sandbox` has the whole language.
        render: Make videos; without, results are stand-ins.
        url_lifetime: Seconds for which a result URL works; by default for ever.
        http_errors: Answer errors with an HTTP status of their own; the vendor's page names none.
        allow_private: Fetch images from private addresses too; by default only while nobody else can reach the sandbox.
        hosts: Names by which it may be called besides loopback and numeric addresses; a * allows any.
        log: Write each request and what was said to it, as they come.
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
        log=log,
    )


@app.command(help_epilogue=SEE_CODES)
def demo(
    *,
    jobs: PositiveInt = 100,
    images: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = (),
    out: Path = Path("demo"),
    speed: PositiveFloat = 8.0,
    workers: PositiveInt = 10,
    resolution: Literal["480p", "720p", "1080p"] | None = None,
    json: Json = False,
) -> int:
    """Make real videos offline: a sandbox of the whole service on this computer, and a batch over real HTTP.

    **Examples**

    ```text
    ideal-async demo
    ideal-async demo --images ~/Pictures --jobs 20 --resolution 720p
    ```

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


@app.command(help_epilogue=SEE_CODES)
def completion(shell: Literal["bash", "fish", "zsh", "powershell"]) -> int:
    """Write the completion script for a shell.

    **Example**

    ```text
    ideal-async completion bash > ~/.local/share/bash-completion/completions/ideal-async
    ideal-async completion zsh > ~/.zfunc/_ideal-async    # a folder of $fpath, before compinit
    ```

    Args:
        shell: The one you use.
    """
    script = app.generate_completion(prog_name="ideal-async", shell=shell)
    sys.stdout.write(f"{script}\n{ZSH}" if shell == "zsh" else script)
    return DONE


#: In a folder of $fpath the script is the body of a function, which must complete when it is called for the first time;
#: read with `source` it must register what it has defined.
ZSH = """\
if [[ ${funcstack[1]-} == _ideal-async ]]; then
  _cyclopts_ideal-async "$@"
else
  compdef _cyclopts_ideal-async ideal-async
fi
"""
