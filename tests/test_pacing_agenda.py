"""The agenda: never early, never lost, never twice."""

import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ideal_async._schedule import Agenda

ids = st.integers(0, 12)
times = st.integers(0, 40).map(lambda tenths: tenths / 2)


class AgendaAgainstADict(RuleBasedStateMachine):
    """Whatever is done to it, the agenda agrees with a plain dict that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()
        self.model: dict[int, float] = {}

    @rule(task_id=ids, due=times)
    def put(self, task_id: int, due: float) -> None:
        """Schedule, or schedule again."""
        self.agenda.put(task_id, due)
        self.model[task_id] = due

    @rule(task_id=ids)
    def discard(self, task_id: int) -> None:
        """Forget one that may not be there."""
        self.agenda.discard(task_id)
        self.model.pop(task_id, None)

    @rule(now=times)
    def pop(self, now: float) -> None:
        """Take the most overdue one, if any is due."""
        popped = self.agenda.pop(now)
        if popped is None:
            assert all(due > now for due in self.model.values())
        else:
            task_id, due = popped
            assert due == self.model.pop(task_id)
            assert due <= now
            assert due <= min(self.model.values(), default=math.inf)

    @invariant()
    def same(self) -> None:
        """Agree."""
        assert len(self.agenda) == len(self.model)
        assert all(self.agenda.due(task_id) is not None for task_id in self.model)
        assert self.agenda.next_due() == min(self.model.values(), default=None)


AgendaAgainstADict.TestCase.settings = settings(max_examples=40, deadline=None)
TestAgendaAgainstADict: Any = AgendaAgainstADict.TestCase


def test_the_most_overdue_comes_first() -> None:
    """When more is due than can be looked at, those who waited longest go first."""
    agenda = Agenda()
    for task_id, due in [(1, 3.0), (2, 1.0), (3, 2.0)]:
        agenda.put(task_id, due)
    assert [agenda.pop(10.0) for _ in range(4)] == [(2, 1.0), (3, 2.0), (1, 3.0), None]


def test_a_look_moved_later_does_not_come_early() -> None:
    """Putting an task_id again replaces its time, in either direction."""
    agenda = Agenda()
    agenda.put(1, 5.0)
    agenda.put(1, 9.0)
    assert agenda.pop(8.0) is None
    agenda.put(1, 2.0)
    assert agenda.next_due() == 2.0
    assert agenda.pop(2.0) == (1, 2.0)
    assert agenda.pop(9.0) is None
    assert agenda.due(1) is None


def test_a_time_that_is_no_number_is_refused() -> None:
    """NaN would quietly break the order of all the others."""
    with pytest.raises(ValueError, match="NaN"):
        Agenda().put(1, math.nan)


@given(st.lists(times, min_size=1, max_size=50))
def test_everything_put_is_popped_once(dues: list[float]) -> None:
    """Nothing is lost and nothing comes twice."""
    agenda = Agenda()
    for task_id, due in enumerate(dues):
        agenda.put(task_id, due)
    popped = [agenda.pop(20.0) for _ in dues]
    assert sorted(one[0] for one in popped if one is not None) == list(range(len(dues)))
    assert agenda.pop(math.inf) is None


def test_putting_again_and_again_does_not_grow() -> None:
    """A task looked at for days leaves no trail in memory."""
    agenda = Agenda()
    agenda.put(1, 0.0)
    tracemalloc.start()
    try:
        for second in range(20_000):
            agenda.put(1, float(second))
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()
    assert agenda.pop(19_999.0) == (1, 19_999.0)
