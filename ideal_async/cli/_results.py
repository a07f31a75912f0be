"""What came of a batch, for other programs: `results.jsonl` while it runs, and `results.csv` for a spreadsheet."""

import csv
import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

import attrs

from ._columns import FORMULA
from ._files import anew
from ._job import ENDED, Board, Job

#: A spreadsheet counts in 15 digits; a longer number must be text to stay itself.
EXACT = 10**15 - 1
#: The moments of a job, in their order.
TIMES = ("queued_at", "waited_at", "started_at", "seen_at", "found_at", "downloaded_at")


def record_of(job: Job) -> dict[str, Any]:
    """Write a job as a record: what was asked for, what came of it, where it is, when what happened."""
    # This file may be passed on, so it holds no signature of a URL.
    request = job.request.redacted
    return {
        "key": job.key,
        "line": job.line,
        "status": job.state,
        "task_id": job.task_id,
        "credits": job.charged,
        "video": job.video and job.video.name,
        "cover": job.cover and job.cover.name,
        "width": job.width,
        "height": job.height,
        "error": job.error,
        "looks": job.looks,
        **{name: _write_time(getattr(job, name)) for name in TIMES},
        **attrs.asdict(request),
        "url_shortened": request != job.request,
    }


def _write_time(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")


def recall_times(jobs: Iterable[Job], path: Path) -> None:
    """Fill in the moments that an earlier run noted in *path*, for the tasks that are still the same."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    noted: dict[int, dict[str, Any]] = {}
    for line in lines:
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError):  # the power went while it was written; or it is not ours
            continue
        if isinstance(record, dict):
            fields = cast("dict[str, Any]", record)
            if isinstance(fields.get("task_id"), int):
                noted[fields["task_id"]] = fields
    for job in jobs:
        fields = noted.get(job.task_id or 0, {})
        for name in TIMES:
            moment = _read_time(fields.get(name))
            if moment is not None:
                setattr(job, name, moment)


def _read_time(text: object) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except ValueError:
        return None


class Results:
    """The files of results in one folder: lines are added as jobs end, and put into the input's order at the end."""

    def __init__(self, folder: Path) -> None:
        self.lines = folder / "results.jsonl"
        self.table = folder / "results.csv"

    def open(self, board: Board) -> TextIO:
        """Write what ended before, and let each further end be added; close the file before `write_lines`."""
        self.write_lines(job for job in board.jobs if job.state in ENDED)
        file = self.lines.open("a", encoding="utf-8")

        def add(job: Job) -> None:
            with suppress(OSError):  # a full disk stops no video; at the end it is tried again, and reported
                file.write(f"{json.dumps(record_of(job))}\n")
                file.flush()

        board.listeners.append(add)
        return file

    def write_lines(self, jobs: Iterable[Job]) -> None:
        """Write the results for programs anew, whole or not at all."""
        with anew(self.lines) as file:
            file.writelines(f"{json.dumps(record_of(job))}\n" for job in jobs)

    def write_table(self, jobs: Iterable[Job]) -> None:
        """Write the results for a spreadsheet anew, whole or not at all."""
        records = [record_of(job) for job in jobs]
        with anew(self.table) as file:
            # The byte order mark tells a spreadsheet that this is UTF-8.
            file.write("\ufeff")
            table = csv.DictWriter(file, records[0].keys())
            table.writeheader()
            table.writerows({name: _as_cell(value) for name, value in record.items()} for record in records)


def _as_cell(value: object) -> object:
    if value == "":
        return "'"  # an empty cell is none
    if isinstance(value, int) and value > EXACT:
        return f"'{value}"
    return f"'{value}" if isinstance(value, str) and value.startswith((*FORMULA, "'", "#")) else value
