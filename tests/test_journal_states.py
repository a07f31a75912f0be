"""The states of a key, against a model: whatever happens in whatever order, no credit is lost or spent twice."""

import itertools
import pathlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from ideal_async import ImageToVideo
from ideal_async._journal import Busy, Entry, Intent, Journal
from ideal_async._wire import read_task

ORIGINS = ("https://api.ideal.house:443", "http://127.0.0.1:8000")
NAMES = ((ORIGINS[0], "a"), (ORIGINS[0], "a~1"), (ORIGINS[1], "a"))
ROOM = ImageToVideo("https://example.com/room.jpg", duration=5, resolution="720p")
HALL = attrs.evolve(ROOM, prompt="another")
#: Where there is one, a disk in memory: what survives a power cut is not the subject here.
MEMORY = next((disk for disk in ("/dev/shm",) if pathlib.Path(disk).is_dir()), None)  # noqa: S108 - mkdtemp is safe
LATER = datetime(2126, 1, 1, tzinfo=UTC)

names = st.sampled_from(NAMES)
places = st.integers(0, 1)


def is_misuse(call: Callable[[], object]) -> bool:
    """Unlike `pytest.raises`, keeps no frame and so no intent alive."""
    try:
        call()
    except ValueError:
        return True
    return False


@attrs.define
class Row:
    """What the model knows of a key."""

    state: str
    attempt: str
    holder: int | None = None
    before: "Row | None" = None


class Flight:
    """An intent that somebody holds; `journal` is the place it came from."""

    def __init__(self, intent: Intent, place: int) -> None:
        self.intent: Intent | None = intent
        self.name = (intent.origin, intent.key)
        self.attempt = intent.attempt
        self.place = place


class Keys(RuleBasedStateMachine):
    """Two journals on one file; every journal may be closed and opened again at any time."""

    flights: Any = Bundle("flights")
    tasks: Any = Bundle("tasks")

    @initialize()
    def open_both(self) -> None:
        """Two processes on one file, as far as one process can show it."""
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=MEMORY))
        self.journals = [Journal(self.folder / "j"), Journal(self.folder / "j")]
        self.rows: dict[tuple[str, str], Row] = {}
        self.paid: dict[tuple[str, int], str] = {}  # every id that ever came, and what became of its task
        self.ids = itertools.count(1)
        self.given_up: set[str] = set()  # attempts that no living journal of the model holds

    def teardown(self) -> None:
        """Leave nothing behind."""
        for journal in self.journals:
            journal.close()
        shutil.rmtree(self.folder)

    def _give_up(self) -> int:
        """What a look at the owners finds."""
        found = [row for row in self.rows.values() if row.state == "intended" and row.attempt in self.given_up]
        for row in found:
            row.state = "unknown"
        return len(found)

    @rule(target=flights, name=names, place=places)
    def intend(self, name: tuple[str, str], place: int) -> Any:
        """Nothing, or a refusal: go. Everything else answers. And a key is one request."""
        origin, key = name
        row = self.rows.get(name)
        if row is not None:
            assert is_misuse(lambda: self.journals[place].intend(origin, key, HALL, 20))
        if row is not None and row.state == "intended" and row.attempt in self.given_up:
            row.state = "unknown"
        answer = self.journals[place].intend(origin, key, ROOM, 20)
        if row is None or row.state == "refused":
            assert isinstance(answer, Intent)
            self.rows[name] = Row("intended", answer.attempt, before=row)
            return Flight(answer, place)
        if row.state == "intended":
            assert isinstance(answer, Busy)
        else:
            assert isinstance(answer, Entry)
            assert answer.state == row.state
        return multiple()

    @rule(flight=consumes(flights))
    def withdraw(self, flight: Flight) -> None:
        """Back to what it was, unless its task is known."""
        assert flight.intent is not None
        self.journals[flight.place].withdraw(flight.intent)
        row = self.rows.get(flight.name)
        if row is not None and row.attempt == flight.attempt and row.state in {"intended", "unknown"}:
            if row.before is None:
                del self.rows[flight.name]
            else:
                row.state = "refused"

    @rule(flight=flights)
    def doubt(self, flight: Flight) -> None:
        """No answer came."""
        if flight.intent is not None:
            self.journals[flight.place].unknown(flight.intent)
            row = self.rows.get(flight.name)
            if row is not None and row.attempt == flight.attempt and row.state == "intended":
                row.state = "unknown"

    @rule(flight=consumes(flights), place=places)
    def refuse(self, flight: Flight, place: int) -> None:
        """The API said no, early or late."""
        assert flight.intent is not None
        self.journals[place].refused(flight.intent, "no")
        row = self.rows.get(flight.name)
        if row is not None and row.attempt == flight.attempt and row.state in {"intended", "unknown"}:
            row.state = "refused"

    @rule(target=tasks, flight=consumes(flights), place=places)
    def submit(self, flight: Flight, place: int) -> tuple[str, int]:
        """The API gave an id, early or late."""
        assert flight.intent is not None
        task_id = next(self.ids)
        self.journals[place].submitted(flight.intent, task_id)
        row = self.rows.get(flight.name)
        if row is not None and row.attempt == flight.attempt:
            row.state = "submitted"
            name = flight.name
        else:
            name = (flight.name[0], f"{flight.name[1]}~{task_id}")
            while name in self.rows:
                name = (name[0], f"{name[1]}~")
            self.rows[name] = Row("submitted", flight.attempt)
        self.paid[flight.name[0], task_id] = name[1]
        return flight.name[0], task_id

    @rule(flight=consumes(flights))
    def forget(self, flight: Flight) -> None:
        """The task that held the intent died."""
        flight.intent = None
        self.given_up.add(flight.attempt)

    @rule(task=consumes(tasks), status=st.sampled_from(["Success", "Failed"]), place=places)
    def settle(self, task: tuple[str, int], status: str, place: int) -> None:
        """A task ended."""
        origin, task_id = task
        output = {"resultUrl": "https://example.com/v.mp4"}
        look = read_task({"id": task_id, "status": status, "output": output})
        self.journals[place].settle(origin, task_id, look)
        row = self.rows[origin, self.paid[task]]
        assert row.state == "submitted"
        row.state = "succeeded" if status == "Success" else "failed"

    @rule(name=names, place=places)
    def release(self, name: tuple[str, str], place: int) -> None:
        """A person allows it to be sent again."""
        origin, key = name
        row = self.rows.get(name)
        if row is not None and row.state == "intended" and row.attempt in self.given_up:
            row.state = "unknown"
        if row is not None and row.state in {"unknown", "refused"}:
            assert self.journals[place].release(key, origin=origin, force=True).state == "refused"
            row.state = "refused"
        else:
            assert is_misuse(lambda: self.journals[place].release(key, origin=origin, force=True))

    @rule(place=places, what=st.sampled_from(["sweep", "prune", "crash"]))
    def upkeep(self, place: int, what: str) -> None:
        """What happens to a file as a whole."""
        getattr(self, what)(place)

    def sweep(self, place: int) -> None:
        """What nobody will finish is in doubt."""
        assert self.journals[place].sweep() == self._give_up()

    def prune(self, place: int) -> None:
        """What is settled goes."""
        settled = [name for name, row in self.rows.items() if row.state in {"succeeded", "failed", "refused"}]
        assert self.journals[place].prune(before=LATER) == Counter(self.rows[name].state for name in settled)
        for name in settled:
            del self.rows[name]
        self.paid = {task: key for task, key in self.paid.items() if (task[0], key) in self.rows}

    def crash(self, place: int) -> None:
        """And start again, as far as one process can: closing drops the owner, whoever still holds its intents."""
        owner = self.journals[place]._owner
        held = set(owner.held) if owner is not None else set[str]()
        self.journals[place].close()
        self.given_up |= held
        self.journals[place] = Journal(self.folder / "j")
        self._give_up()

    @invariant()
    def the_file_says_what_the_model_says(self) -> None:
        """Every key, in its state."""
        found = {(entry.origin, entry.key): entry.state for entry in self.journals[0].entries()}
        assert found == {name: row.state for name, row in self.rows.items()}

    @invariant()
    def no_paid_task_is_lost(self) -> None:
        """Every id that ever came stands there, once."""
        found = {(entry.origin, entry.task_id): entry.key for entry in self.journals[1].entries() if entry.task_id}
        assert found == self.paid

    @invariant()
    def what_is_spent_is_what_was_or_may_have_been_paid(self) -> None:
        """Key by key."""
        spending = {"intended", "submitted", "succeeded", "unknown"}
        for origin in ORIGINS:
            cost = 20 * sum(row.state in spending for name, row in self.rows.items() if name[0] == origin)
            assert self.journals[0].spent(origin, [key for where, key in self.rows if where == origin]) == cost


Keys.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestKeys = Keys.TestCase
