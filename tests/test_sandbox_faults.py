"""The language of scripted faults, and which call they strike."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideal_async.sandbox import (
    Cut,
    Delay,
    Drop,
    Expire,
    Fail,
    Fault,
    LateFile,
    LateUrl,
    Percentage,
    Prohibit,
    Respond,
    Show,
    Takes,
    Truncate,
    When,
    read_faults,
)
from ideal_async.sandbox._faults import Script

SECOND = When(((2, 2),))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("submit 2: drop after", Fault("submit", Drop(after=True), SECOND)),
        ("submit:drop", Fault("submit", Drop())),
        ("submit 3-5: 429 retry-after 10", Fault("submit", Respond(429, retry_after=10), When(((3, 5),)))),
        ("look 10%: 503", Fault("look", Respond(503), When(chance=0.1))),
        ("look every 4: 500 code 1003", Fault("look", Respond(500, code=1003), When(every=4))),
        (
            "look 2 of task 1: show status=Paused n=1",
            Fault("look", Show({"status": "Paused", "n": 1}), SECOND, of_task=1),
        ),
        ('look: show output=null eta="5"', Fault("look", Show({"output": None, "eta": "5"}))),
        (
            "  look   2,4-5,9- :   502   html   after ",
            Fault("look", Respond(502, body="html", after=True), When(((2, 2), (4, 5), (9, None)))),
        ),
        ("look 2- every 3 12.5%: delay 0.5", Fault("look", Delay(0.5), When(((2, None),), every=3, chance=0.125))),
        ("look: truncate", Fault("look", Truncate(0.5))),
        ("look: truncate 10%", Fault("look", Truncate(0.1))),
        ("download 1: cut", Fault("download", Cut(0.5), When(((1, 1),)))),
        ("download 1: cut 99%", Fault("download", Cut(0.99), When(((1, 1),)))),
        ("download of task 3: expired", Fault("download", Expire(), of_task=3)),
        ("task 4: fail", Fault("task", Fail(), When(((4, 4),)))),
        ("task 4: prohibit", Fault("task", Prohibit(), When(((4, 4),)))),
        ("task: stuck at 99", Fault("task", Percentage((99,)))),
        ("task: percentage 10 60 30", Fault("task", Percentage((10, 60, 30)))),
        ("task: takes 2.5", Fault("task", Takes(2.5))),
        ("task: never ends", Fault("task", Takes(math.inf))),
        ("task: url after 12", Fault("task", LateUrl(12.0))),
        ("task: url never relative", Fault("task", LateUrl(math.inf, "relative"))),
        ("task: file after 0.5", Fault("task", LateFile(0.5))),
        ("task: fail as Cancelled", Fault("task", Fail("Cancelled"))),
    ],
)
def test_a_line_says_one_fault(line: str, fault: Fault) -> None:
    """What a line means; and the words a fault prints mean the same again."""
    assert read_faults(line) == (fault,)
    assert read_faults(str(fault)) == (fault,)


def test_a_script_is_lines_with_comments() -> None:
    """Blank lines and comments mean nothing; texts, lines and values can be mixed."""
    script = "\n# two faults\nsubmit: drop   # nobody answers\n\n   look: 503\n"
    assert read_faults(script) == (Fault("submit", Drop()), Fault("look", Respond(503)))
    assert read_faults(Fault("look", Respond(503))) == (Fault("look", Respond(503)),)
    assert read_faults([script, Fault("task", Fail())]) == (*read_faults(script), Fault("task", Fail()))
    assert read_faults(()) == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("submit", "is no effect"),
        ("submit: explode", "'explode' is no effect"),
        ("delete 1: drop", "WHICH CALL: WHAT HAPPENS"),
        ("submit two: drop", "WHICH CALL: WHAT HAPPENS"),
        ("submit: show status=x", "Show cannot happen to a submit: choose from Drop"),
        ("task: drop", "Drop cannot happen to a task: choose from Fail"),
        ("look: 999", "'status' must be <= 599"),
        ("look: 100", "'status' must be >= 200"),
        ("look 200%: drop", "'chance' must be <= 1"),
        ("look every 0: drop", "'every' must be >= 1"),
        ("look: show", "is no effect"),
        ("submit 0: drop", "are counted from 1"),
        ("look 1 of task 0: drop", "are counted from 1"),
        ("submit 2,7-4: drop", "7-4 counts backwards and never comes: write 4-7"),
    ],
)
def test_a_line_that_says_nothing_is_named(line: str, told: str) -> None:
    """The message has the number of the line, the line, and what to write instead."""
    with pytest.raises(ValueError, match="line 2: ") as error:
        read_faults(f"look: 503\n{line}")
    assert repr(line) in str(error.value)
    assert told in str(error.value)


COUNT = st.integers(1, 99)
SHARE = st.integers(0, 100).map(lambda share: share / 100)
EFFECTS: dict[str, st.SearchStrategy[Any]] = {
    "submit": st.builds(
        Respond,
        st.integers(200, 599),
        body=st.sampled_from(["text", "html", "portal", "empty"]),
        retry_after=st.none() | COUNT,
        after=st.booleans(),
    )
    | st.builds(Respond, st.integers(200, 599), code=COUNT)
    | st.builds(Truncate, SHARE)
    | st.builds(Drop, st.booleans()),
    "look": st.builds(
        Show,
        st.dictionaries(
            st.sampled_from(["status", "percentage", "output"]), st.none() | st.integers() | st.text(), min_size=1
        ),
    )
    | st.builds(Delay, st.integers(0, 5000).map(lambda ms: ms / 1000)),
    "download": st.builds(Cut, SHARE) | st.just(Expire()),
    "task": st.builds(Percentage, st.lists(st.integers(0, 999), min_size=1).map(tuple)) | st.builds(Takes, SHARE),
}


@given(st.data())
def test_every_fault_reads_what_it_prints(data: st.DataObject) -> None:
    """Writing and reading are inverse, whatever the values."""
    call: Any = data.draw(st.sampled_from(sorted(EFFECTS)))
    some = COUNT.flatmap(lambda first: st.tuples(st.just(first), st.none() | st.integers(first, 99)))
    ranges = st.lists(some, min_size=1, max_size=3).map(tuple)
    when = data.draw(st.builds(When, ranges, every=COUNT, chance=SHARE))
    fault = Fault(call, data.draw(EFFECTS[call]), when, of_task=data.draw(st.none() | COUNT))
    assert read_faults(str(fault)) == (fault,)


def test_calls_are_counted_by_kind() -> None:
    """The second look is the second look, however many submits come between."""
    script = Script(read_faults("look 2: 503\nsubmit 2: drop"))
    seen = [script.on_call("look"), script.on_call("submit"), script.on_call("look"), script.on_call("look")]
    assert seen == [[], [], [Respond(503)], []]
    assert script.on_call("submit") == [Drop()]


def test_calls_can_be_counted_by_task() -> None:
    """`of task 2` counts the looks at the second task alone; other ids are no task."""
    script = Script(read_faults("look 2 of task 2: 503"))
    script.name_task(111)
    script.name_task(222)
    looks = [222, 111, 111, None, 999, 222, 222]
    assert [bool(script.on_call("look", task)) for task in looks] == [False] * 5 + [True, False]


def test_task_faults_count_tasks() -> None:
    """`task 2` is the second one created."""
    script = Script(read_faults("task 2: fail\ntask: takes 3"))
    assert [script.on_task() for _ in range(3)] == [[Takes(3)], [Fail(), Takes(3)], [Takes(3)]]


def test_dice_are_seeded() -> None:
    """One in five, roughly, and the same ones again for the same seed."""
    runs: list[list[bool]] = []
    for seed in (1, 1, 2):
        script = Script(read_faults("look 20%: 503"), seed)
        runs.append([bool(script.on_call("look")) for _ in range(1000)])
    assert runs[0] == runs[1] != runs[2]
    assert 150 < sum(runs[0]) < 250


def test_two_dice_in_one_script_are_not_one() -> None:
    """Each line rolls for itself."""
    script = Script(read_faults("look 50%: 503\nlook 50%: delay 1"))
    assert {len(script.on_call("look")) for _ in range(100)} == {0, 1, 2}
