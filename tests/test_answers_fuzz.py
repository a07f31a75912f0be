"""Answers at random, a hundred thousand of them in the soak: no verdict may cost money or lose a task.

What each answer *means* is decided here by other means than in the client: by how it was put together.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from ideal_async import Retry, Task
from ideal_async._answers import Answer, read_look, read_submit
from ideal_async._retry import Failure, Sent

QUICK = 6_000
ROUNDS = 120_000 if os.environ.get("IDEAL_ASYNC_SOAK") else QUICK
LISTED = [1001, 1003, 1011, 5002, 9010, 9038, 9051]
OTHERS = [-1, 1, 7, 200, 201, 400, 429, 7777, 10**12]
STATUSES = [
    200,
    200,
    200,
    201,
    204,
    301,
    302,
    303,
    307,
    400,
    401,
    403,
    404,
    408,
    409,
    413,
    429,
    499,
    500,
    502,
    503,
    504,
]
NOTHING: list[Any] = [None, "", " ", [], {}, False, 0]
WORDS = ["success", "no", "積分不足", "crédits", "line 1\nline 2", "\ud83d", "x" * 3000, None, 5, ["a"], {"a": 1}]
PAGES = [
    "",
    "<html>Sign in</html>",
    "upstream connect error",
    "null",
    "[]",
    "{}",
    '{"error":"x"}',
    "not json {",
    "\x00\xff",
]
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-16", "gbk", "latin-1", "utf-8-sig"]


@attrs.frozen
class Said:
    """An answer and what it means.

    Attributes:
        answer: As it came.
        task_id: That it tells of a new task in the vendor's words.
        holds_id: An id is in it somewhere.
        speaker: Who spoke.
        code: The API's.
    """

    answer: Answer
    task_id: int | None
    holds_id: bool
    speaker: str
    code: int | None


def an_id(dice: random.Random) -> int:
    return dice.choice([77, dice.randrange(1, 2**31), dice.randrange(10**18, 2**63), 2**64 - 1])


def wrapped(dice: random.Random, task_id: int) -> Any:
    return dice.choice([task_id, str(task_id), f" {task_id}", [task_id], {"id": task_id}, {"taskId": str(task_id)}])


def encoded(dice: random.Random, text: str) -> tuple[bytes, str]:
    name = dice.choice(ENCODINGS)
    content_type = dice.choice(["application/json", f"application/json; charset={name}", "text/html", ""])
    try:
        return text.encode(name), content_type
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass"), content_type


def answers(dice: random.Random) -> Iterator[Said]:
    """Answers to submits, without an end."""
    while True:
        status, complete = dice.choice(STATUSES), dice.random() > 0.1
        kind = dice.choice(["created", "refused", "unlisted", "in between", "in between", "broken"])
        task_id, holds, code, data = None, False, None, None
        if kind == "created":
            code, task_id = 0, an_id(dice)
            data = dice.choice([task_id, str(task_id)])
            holds = True
        elif kind == "broken":
            code, data = 0, dice.choice([*NOTHING, "12a", -5, 1.5e18, True, [77], {"id": 77}])
        elif kind in {"refused", "unlisted"}:
            code = dice.choice(LISTED if kind == "refused" else OTHERS)
            holds = dice.random() < 0.3
            data = wrapped(dice, an_id(dice)) if holds else dice.choice(NOTHING)
        if code is None:
            text, holds = dice.choice(PAGES), False
            if dice.random() < 0.3:
                text, holds = f"<p>task {dice.randrange(10**17, 10**18)}</p>", True
            elif dice.random() < 0.3:
                text, holds = json.dumps({"data": wrapped(dice, an_id(dice))}), True
        else:
            fields = {"code": dice.choice([code, str(code)]) if code >= 0 else code, "message": dice.choice(WORDS)}
            text = json.dumps({**fields, "data": data}, ensure_ascii=dice.random() < 0.5)
            if not complete and dice.random() < 0.5:
                text, code, task_id = text[: dice.randrange(len(text))], None, None
        content, content_type = encoded(dice, text)
        answer = Answer(status, content, complete=complete, content_type=content_type)
        yield Said(answer, task_id, holds, kind, code)


def report(title: str, counts: Counter[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Show the counts in the soak."""
    if ROUNDS > QUICK:
        with capsys.disabled():
            print(f"\n{title}:", *(f"{count:>9,}  {what}" for what, count in counts.most_common()), sep="\n")  # noqa: T201


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_answer_to_a_submit_spends_twice_or_loses_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    """An id is one only where the API says so; what may be re-sent or is booked as refused holds none."""
    counts: Counter[str] = Counter()
    source, retry = answers(random.Random(20261127)), Retry()
    for _ in range(ROUNDS):
        said = next(source)
        outcome = read_submit(said.answer)
        if isinstance(outcome, int):
            assert outcome == said.task_id, said
            counts["id"] += 1
            continue
        assert isinstance(outcome, Failure)
        assert said.task_id is None, f"lost: {said.answer.content!r}"
        again = retry.submit_delay(outcome, attempt=1, roll=0.5) is not None
        counts[f"{said.speaker}: {outcome.sent.value}{', sent again' if again else ''}"] += 1
        if outcome.sent is not Sent.ANSWERED:
            assert not again
            continue
        assert not said.holds_id, f"refused, but holds an id: {said.answer.content!r}"
        if said.answer.envelope is None:
            assert said.answer.complete
            assert 300 <= said.answer.http_status < 500
            assert said.answer.http_status not in {302, 303, 408, 409, 499}
            assert not again or said.answer.http_status == 429
        else:
            assert said.code != 0, f"success is no refusal: {said.answer.content!r}"
            assert not again or said.code == 1003 or 429 in (said.code, said.answer.http_status)
    report(f"{ROUNDS:,} answers to a submit", counts, capsys)
    assert counts["id"] > ROUNDS // 10


OTHER = 12345  # the id of another task
VIDEO = "https://cdn.example/v.mp4"
SIDES: dict[str, list[Any]] = {
    "percentage": [0, 30, "30%", "30.5", None, "", [], {}, True, float("nan"), float("inf"), -1, 10**30, "x" * 100],
    "waitNumber": [0, 3, "", None, "many", [], -1, 1.5],
    "input": [None, {}, [], "room", {"duration": "five", "resolution": 5}, {"prompt": ["x"]}],
    "eta": [None, 5],
    "message": [None, "x"],
}
RUNNING: list[Any] = ["Unprocessed", "Processing", "PROCESSING", " processing ", "Paused", "", None, 7, [], "x" * 500]
OUTPUTS: list[Any] = [
    None,
    {},
    [],
    "none",
    {"resultUrl": ""},
    {"resultUrl": None},
    {"resultUrl": "/v.mp4"},
    {"resultUrl": ["x"]},
]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_answer_to_a_look_loses_a_video(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever its side fields and clothes: a result is found, a failure too, and nothing else ends a task."""
    counts: Counter[str] = Counter()
    dice = random.Random(20261128)
    for _ in range(ROUNDS):
        task_id = an_id(dice)
        seen = float(task_id)
        data = {name: dice.choice(values) for name, values in SIDES.items() if dice.random() < 0.7}
        ids = [task_id, str(task_id), None, "", int(seen), seen] + [OTHER] * (dice.random() < 0.1)
        data["id"] = dice.choice(ids)
        other = data["id"] == OTHER
        kind = dice.choice(["running", "done", "late", "failed", "ended"])
        url = dice.choice([VIDEO, f" {VIDEO}\n", f"{VIDEO}?Signature=%2F"])
        data["output"] = dice.choice(OUTPUTS)
        if kind == "done":
            data["output"] = {
                "resultUrl": url,
                "cover": dice.choice([None, [], "", 5]),
                "width": dice.choice(["auto", 5, None]),
            }
        words: dict[str, list[Any]] = {
            "running": RUNNING,
            "done": ["Success", "SUCCESS", "success "],
            "late": ["Success", " success"],
        }
        data["status"] = dice.choice({**words, "failed": ["Failed", "FAILED"], "ended": ["Cancelled", "error"]}[kind])
        text = json.dumps({"code": 0, "message": dice.choice(WORDS), "data": data})
        content, content_type = encoded(dice, text)
        outcome = read_look(Answer(dice.choice([200, 200, 201, 500]), content, content_type=content_type), task_id)
        if other:
            assert isinstance(outcome, Failure)
            counts["another task's"] += 1
            continue
        counts[kind] += 1
        if kind == "late":
            assert isinstance(outcome, Failure)
            assert outcome.passes
            continue
        assert isinstance(outcome, Task), text
        assert outcome.id == task_id
        assert outcome.done is (kind in {"done", "failed", "ended"}), text
        assert outcome.succeeded is (kind == "done")
        assert outcome.refunded is {"failed": True, "ended": None}.get(kind, False)
        if kind == "done":
            assert outcome.output is not None
            assert outcome.output.result_url == url.strip()
        assert 0 <= outcome.percentage <= 100
        assert outcome.wait_number >= 0
    report(f"{ROUNDS:,} answers to a look", counts, capsys)
    assert len(counts) == 6
