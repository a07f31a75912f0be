"""When to look next. (draft)"""

import math
from collections.abc import Hashable

import attrs

from ideal_async._agenda import Agenda
from ideal_async._laws import Law, Peak, Vague
from ideal_async._learned import Curve, Durations, Elapsed, Errors

__all__ = ["Agenda", "Eta", "Forecast", "Kind", "Pacing", "Track"]

Kind = Hashable
_USUAL = 75.0
_EXPERTS = ("vague", "history", "percentage", "queue")


@attrs.frozen
class Pacing:
    min_interval: float = 5.0
    max_interval: float = 60.0
    look_cost: float = 1 / 6


@attrs.frozen
class Eta:
    seconds: float
    source: str


class _Lessons:
    """What was learned about one kind."""

    __slots__ = ("curve", "durations", "queue", "trust")

    def __init__(self, parent: "_Lessons | None") -> None:
        self.durations = Durations()
        self.curve = Curve(parent.curve if parent else None)
        self.queue = Errors()
        self.trust = [0.0, 0.0, 0.0, 0.0]


@attrs.define
class Track:
    lessons: _Lessons
    submitted_at: float | None
    seen_at: float  # last known to run
    start_from: float  # the work began after this
    start_by: float  # and before this
    waiting: int = 0
    started: bool = False
    percentage: int = 0
    since: float = 0.0  # when this percentage was first seen
    first: tuple[float, int] | None = None
    foretold: list[tuple[str, float, float, int]] = attrs.Factory(list)
    evidence: list[float] = attrs.Factory(lambda: [0.0, 0.0, 0.0, 0.0])


class Forecast:
    def __init__(self, pacing: Pacing) -> None:
        self.pacing = pacing
        self.everything = _Lessons(None)
        self.kinds: dict[Kind, _Lessons] = {}
        self.moved = 0.5
        self.moving = 10.0

    def track(self, kind: Kind, *, now: float, submitted_at: float | None) -> Track:
        lessons = self.kinds.get(kind)
        if lessons is None:
            lessons = self.kinds[kind] = _Lessons(self.everything)
        at = now if submitted_at is None else submitted_at
        return Track(lessons, submitted_at, at, -math.inf if submitted_at is None else at, at)

    # -- laws

    def _start(self, track: Track) -> tuple[float, float] | None:
        """When the work began and the doubt about it"""
        low, high = track.start_from, track.start_by
        if low == high:
            return low, 0.0
        if track.first is not None and track.percentage > track.first[1]:
            at, p = track.first
            begun = at - p * (track.since - at) / (track.percentage - p)
            return min(max(begun, low), high), 0.0
        if low == -math.inf:
            return None
        return (low + high) / 2, (high - low) / 3.46

    def _laws(self, track: Track) -> list[tuple[int, float, Law]]:
        lessons = track.lessons
        at = track.seen_at
        start = self._start(track)
        begun = track.start_from if start is None else start[0]
        if begun == -math.inf:
            begun = track.start_by
        laws: list[tuple[int, float, Law]] = [(0, 0.0, Vague(_USUAL + max(at - begun, 0.0)))]
        if track.waiting:
            law, _ = self._queue_law(track)
            laws.append((3, 0.0, law))
        else:
            for lesson, bonus in ((lessons, 0.0), ):
                if lesson.durations.count:
                    age = max(at - begun, 0.0)
                    here = lesson.durations.alive(age)
                    n = lesson.durations.count
                    if here[0] > 0.02 / n:
                        # what the earlier jobs say about having lived so long counts too: the evidence did that
                        laws.append((1, math.log(n / (n + 1)), Elapsed(lesson.durations, age, here)))
            if track.percentage > 0 and start is not None:
                mean, scale, _ = self._line(track, start)
                laws.append((2, 0.0, Peak(mean, scale, at - track.since)))
        return laws

    def _line(self, track: Track, start: tuple[float, float]) -> tuple[float, float, float]:
        p = min(track.percentage + 0.5, 99.9)
        age = max(track.since - start[0], 0.5)
        line = age * (100.0 - p) / p
        rounding = 0.29 * 100.0 / (p * (100.0 - p))
        doubt = 0.06 + rounding * rounding + (start[1] / age) ** 2
        mean, variance = track.lessons.curve.at(track.percentage, doubt)
        mean = min(max(mean, -6.0), 6.0)
        expected = (line + 1.0) * math.exp(mean)
        return max(expected - 1.0, 0.1), expected * math.sqrt(variance) * 0.5513, line

    def _service(self, track: Track) -> float:
        d = track.lessons.durations
        if not d.count:
            d = self.everything.durations
        return d.mean if d.count else _USUAL

    def _queue_law(self, track: Track) -> tuple[Law, float]:
        line = track.waiting * self.moving / self.moved + self._service(track)
        q = track.lessons.queue
        n = q.count
        mean = q.mean * n / (n + 2)
        variance = (2 * 0.25 + q.square) / (n + 2)
        expected = (line + 1) * math.exp(mean)
        return Peak(expected, expected * math.sqrt(variance) * 0.5513, track.seen_at - track.since), line

    def _weigh(self, track: Track) -> list[tuple[int, float, Law]]:
        laws = self._laws(track)
        trust = track.lessons.trust
        logs = [trust[k] + track.evidence[k] + bonus for k, bonus, _ in laws]
        top = max(logs)
        weights = [math.exp(v - top) for v in logs]
        total = sum(weights)
        floor = 0.02
        return [
            (k, (1 - floor) * w / total + (floor if k == 0 else 0.0), law)
            for (k, _, law), w in zip(laws, weights, strict=True)
        ]

    # -- decisions

    def _decide(self, track: Track, passed: float, least: float, roll: float) -> float:
        """seconds from track.seen_at of the next look; `passed` of them are over."""
        pacing = self.pacing
        c, m = pacing.look_cost, pacing.min_interval
        mix = self._weigh(track)
        most = passed + pacing.max_interval
        low = passed + least
        candidates = [low]
        x = max(low, 1.0)
        while x < most:
            x = min(x * 1.12 + 0.2, most)
            candidates.append(x)
        vague_scale = mix[0][2].scale  # type: ignore
        pace = max(m, math.sqrt(2 * c * vague_scale))
        tau = 0.0
        for k, w, law in mix:
            if k == 2:
                tau = w
        for k, w, law in mix:
            if k >= 2 and w > 0.05:
                for q in (-1.5, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0):
                    x = law.mean - law.age + q * law.scale  # type: ignore
                    if low < x < most:
                        candidates.append(x)
        if track.percentage == 0 and not track.waiting:
            trust = track.lessons.trust
            tau = 1 / (1 + math.exp(trust[1] - trust[2])) * self._talks(track)
        gamma = (1 - tau) * c / pace
        g = (1 - tau) * (pace + c) / 2 + tau * 1.2
        parts = [(w, law.alive) for _, w, law in mix]

        def cost(x: float) -> float:
            s0 = s1 = i1 = 0.0
            for w, alive in parts:
                s0 += w * alive(x)[0]
                s, i = alive(x + m)
                s1 += w * s
                i1 += w * i
            return x + (m + c) * s0 - (1 + gamma) * i1 + g * s1

        best = min((cost(x), x) for x in candidates)
        x = best[1]
        for step in (0.06, 0.03):
            best = min(best, *((cost(y), y) for y in (max(low, x * (1 - step)), min(most, x * (1 + step)))))
        return min(max(best[1], low), most) - passed

    def _talks(self, track: Track) -> float:
        return 0.0

    def first(self, track: Track, *, now: float, roll: float) -> float:
        if track.submitted_at is None:
            return roll * self.pacing.min_interval
        return self._decide(track, now - track.seen_at, min(1.0, self.pacing.min_interval), roll)

    def after(self, track: Track, *, percentage: int, wait_number: int, processing: bool, now: float, roll: float) -> float:
        self._score(track, now, ended=False)
        working = percentage > 0 or (processing and wait_number == 0)
        if track.waiting and (w := track.waiting) and not working and wait_number <= w:
            self.moved = self.moved * 0.98 + (w - wait_number)
            self.moving = self.moving * 0.98 + (now - track.seen_at)
        if not working:
            if track.waiting != wait_number or not track.since:
                track.since = now
                if not any(k == "queue" for k, *_ in track.foretold):
                    pass
            track.waiting = max(wait_number, 1)
            track.start_from = now
            track.start_by = now
        else:
            if not track.started:
                track.started = True
                track.start_by = now if track.start_from != track.submitted_at or track.waiting else track.start_from
                if track.waiting:
                    self.moved = self.moved * 0.98 + track.waiting
                    self.moving = self.moving * 0.98 + (now - track.start_from) / 2
                track.since = now
                track.waiting = 0
            if percentage != track.percentage:
                track.since = now
                track.percentage = percentage
            if track.first is None and percentage:
                track.first = (now, percentage)
        track.seen_at = now
        if track.waiting and (not track.foretold or track.foretold[-1][0] != "q"):
            _, line = self._queue_law(track)
            track.foretold.append(("q", now, line, 0))
        elif percentage and track.since == now and len(track.foretold) < 12:
            start = self._start(track)
            if start is not None:
                track.foretold.append(("p", now, self._line(track, start)[2], percentage))
        return self._decide(track, 0.0, self.pacing.min_interval, roll)

    def _score(self, track: Track, now: float, *, ended: bool) -> None:
        x = max(now - track.seen_at, 0.0)
        mix = self._weigh(track)
        chances = []
        for k, w, law in mix:
            s = law.alive(x)[0]
            chances.append((k, w, min(max(1 - s if ended else s, 0.01), 1.0)))
        total = sum(w * p for _, w, p in chances)
        for k, _, p in chances:
            track.evidence[k] += math.log(p / total)

    def finish(self, track: Track, *, now: float, success: bool) -> None:
        x = now - track.seen_at
        mix = self._weigh(track)
        # where between the two looks did it end? Ask all of them
        n = 6
        edges = []
        for i in range(n + 1):
            edges.append(sum(w * law.alive(x * i / n)[0] for _, w, law in mix))
        mass = edges[0] - edges[-1]
        ends = []
        for i in range(n):
            pr = (edges[i] - edges[i + 1]) / mass if mass > 1e-6 else 1 / n
            ends.append((track.seen_at + x * (i + 0.5) / n, 0.9 * pr + 0.1 / n))
        self._score(track, now, ended=True)
        trust = track.lessons.trust
        for k in range(4):
            trust[k] = trust[k] * 0.95 + min(max(track.evidence[k], -3.0), 3.0)
        start = self._start(track)
        if start is not None:
            shifted = [(t - start[0], p) for t, p in ends]
            track.lessons.durations.learn(shifted)
            self.everything.durations.learn(shifted)
        end = sum(t * p for t, p in ends)
        for what, at, line, percentage in track.foretold:
            logs = [(math.log((max(t - at, 0.0) + 1.0) / (line + 1.0)), p) for t, p in ends]
            mean = sum(v * p for v, p in logs)
            noise = sum((v - mean) ** 2 * p for v, p in logs)
            if what == "q":
                track.lessons.queue.learn(mean, 1.0, noise)
            else:
                track.lessons.curve.learn(percentage, mean, noise)

    def drop(self, track: Track) -> None:
        pass

    def eta(self, track: Track, *, now: float) -> Eta | None:
        return None
