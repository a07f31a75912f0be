"""`ideal-async sandbox`: the whole service on a port, until Ctrl-C."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._terminal import DONE, Refused, printable, put, say

if TYPE_CHECKING:
    from ideal_async.sandbox import Exchange


def serve_sandbox(
    host: str,
    port: int,
    *,
    api_key: str,
    credits: int,
    workers: int,
    speed: float,
    seed: int,
    images: Path | None,
    faults: str | None,
    render: bool,
    url_lifetime: float | None,
    http_errors: bool,
    allow_private: bool | None,
    hosts: Sequence[str],
    log: bool,
) -> int:
    """Serve, and tell how to use it."""
    import sys

    from ideal_async.sandbox import PROFILES, Sandbox, serve_forever

    def tell(base_url: str) -> None:
        put(base_url)
        sys.stdout.flush()  # a script may be waiting for this line
        say(f"export IDEAL_HOUSE_BASE_URL={base_url} IDEAL_HOUSE_API_KEY={api_key}")
        say("Ctrl-C ends it.")

    def show(exchange: "Exchange") -> None:
        put(printable(exchange))
        sys.stdout.flush()  # as they come, also into a pipe

    try:
        script = faults
        if faults is not None and faults not in PROFILES and (":" not in faults or Path(faults).exists()):
            script = _read_script(faults, PROFILES)
        with Sandbox(
            api_key=api_key,
            credits=credits,
            workers=workers,
            speed=speed,
            seed=seed,
            faults=script or (),
            render=render,
            images=images,
            url_lifetime=url_lifetime,
            http_errors=http_errors,
            allow_private=allow_private,
            hosts=hosts,
            on_request=show if log else None,
        ) as sandbox:
            serve_forever(sandbox, host, port, on_ready=tell)
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from None
    return DONE


def _read_script(name: str, profiles: Iterable[str]) -> str:
    try:
        return Path(name).read_text("utf-8")
    except OSError as error:
        profile = " or ".join(profiles)
        raise Refused(
            f"--faults {name}: {error.strerror}: name a file, the profile {profile}, or write the script itself, "
            "as in --faults 'look 10%: 502'"
        ) from None
