"""The order of the next looks: a heap of ids that forgets lazily.

Each id has at most one entry that counts, its latest; older ones stay in the heap until they surface, and are then
thrown away (the recipe of the standard library's ``heapq`` page). Three promises: never early, never lost, never twice.
"""

from heapq import heapify, heappop, heappush

# Leftovers are swept when they outnumber the living by this much: sweeping costs O(n) once in O(n) calls.
_SLACK = 64


class Agenda:
    """Ids in the order in which they are due.

    Times are seconds on any one clock. Putting and popping cost O(log n); memory stays within a constant of the number
    of ids, however often they are put again.

    >>> agenda = Agenda()
    >>> agenda.put(7, due=12.5)
    >>> agenda.pop(now=10.0) is None
    True
    >>> agenda.pop(now=13.0)
    (7, 12.5)
    """

    __slots__ = ("_due", "_heap")

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._due)

    def put(self, task_id: int, due: float) -> None:
        """Make *task_id* due at *due* seconds, instead of whenever it was due before.

        Raises:
            ValueError: *due* is not a number, which no heap can order.
        """
        if due != due:  # noqa: PLR0124  only NaN differs from itself
            raise ValueError("due is NaN; give the agenda a time in seconds")
        if self._due.get(task_id) == due:
            return
        self._due[task_id] = due
        heappush(self._heap, (due, task_id))
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(due, task_id) for task_id, due in self._due.items()]
            heapify(self._heap)

    def due(self, task_id: int) -> float | None:
        """Return when *task_id* is due, None if it is not here."""
        return self._due.get(task_id)

    def discard(self, task_id: int) -> None:
        """Forget *task_id*; one that is not here is fine."""
        self._due.pop(task_id, None)

    def next_due(self) -> float | None:
        """Return when the next id is due, None if there is none."""
        heap, due = self._heap, self._due
        while heap:
            at, task_id = heap[0]
            if due.get(task_id) == at:
                return at
            heappop(heap)
        return None

    def pop(self, now: float) -> tuple[int, float] | None:
        """Take out and return the most overdue id and when it was due, None if nothing is due by *now*."""
        at = self.next_due()
        if at is None or at > now:
            return None
        task_id = heappop(self._heap)[1]
        del self._due[task_id]
        return task_id, at
