"""What the files of jobs are called."""

import re
from collections.abc import Collection, Iterable, Mapping
from string import Formatter

from ideal_async import Entry, ImageToVideo, safe_name

from ._job import Job
from ._plan import stem_of
from ._terminal import Refused

#: By its key for people, by its id so that no two can meet.
NAME = "{key}-{task_id}"
#: What a name may be made of.
PARTS = ("key", "task_id", "image", "resolution", "duration", "model_type")
#: Characters a template may have beside its parts; they end up in every file name.
LONGEST_TEMPLATE = 100


def check_template(template: str) -> None:
    """Look whether *template* can name files.

    Raises:
        Refused: It cannot; the message says how it could.
    """
    parts = "{" + "}, {".join(PARTS) + "}"
    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise Refused(f"--name {template!r}: {error}; it is made of {parts}") from None
    names = [name for _, name, _, _ in found if name is not None]
    wrong = [name for name in names if name not in PARTS]
    if wrong or any(spec or conversion for _, _, spec, conversion in found):
        raise Refused(f"--name {template!r} may only have {parts}")
    if len(names) > len(set(names)) or len(template) > LONGEST_TEMPLATE:
        raise Refused(f"--name {template!r} is too long: every part once, {LONGEST_TEMPLATE} characters at most")
    if not re.fullmatch(r"[\w .,=+()-]*", "".join(text for text, _, _, _ in found)):
        raise Refused(
            f"--name {template!r}: a name is no path; between its parts stand letters, digits, ' ' and - _ . , = + ( )"
        )
    if not {"key", "task_id"} & set(names):
        raise Refused(f"--name {template!r} gives many files one name: put {{key}} or {{task_id}} into it")


def name_files(template: str, key: str, task_id: int | None, request: ImageToVideo) -> str:
    """Name the files of a job, without a suffix."""
    name = template.format(
        key=safe_name(key),
        task_id=task_id,
        image=safe_name(stem_of(request.image_url))[:40],
        resolution=request.resolution,
        duration=request.duration,
        model_type=request.model_type,
    )
    return name.strip(". ") or "job"


def check_names(jobs: Collection[Job], entries: Iterable[Entry], template: str) -> None:
    """Look whether every job gets files of its own.

    Args:
        jobs: Of this batch.
        entries: Of the journal: their files may be in the folder.
        template: Of the names.

    Raises:
        Refused: Two would have the same.
    """
    check_template(template)
    if "{task_id}" in template:
        return
    owners: dict[str, str] = {}
    for key, request in _named(jobs, {entry.key: entry for entry in entries}):
        name = name_files(template, key, None, request)
        other = owners.setdefault(name.casefold(), key)
        if other != key:
            raise Refused(f"the jobs {other!r} and {key!r} would both be called {name!r}: put {{task_id}} into --name")


def _named(jobs: Iterable[Job], entries: Mapping[str, Entry]) -> Iterable[tuple[str, ImageToVideo]]:
    for job in jobs:
        yield job.key, job.request
    for key, entry in entries.items():
        yield re.sub(r"~\d+$", "", key), entry.request
