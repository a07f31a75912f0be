"""When to look next: what is believed about the end of each task, and the look that follows from it.

The yardstick
    A look is worth 1/6 s of delay (`Pacing.look_cost`): at that price one look every 5 s, the vendor's advice, is the
    best fixed loop for tasks of 75 s. The cost of a task is its looks at this price plus the seconds from its end to
    its discovery. Two looks at one task are never closer than `Pacing.min_interval`, nor further apart than
    `Pacing.max_interval`; within these bounds the moment is free.

Five experts
    How long a running task has left is a question of survival, as in reliability engineering: it is known to have run
    at its last look, and ends at some later moment. Five experts each predict a survival function (`survival`) of the
    seconds left:

    ==========  ==========================================  ==========================================================
    expert      knows                                       predicts
    ==========  ==========================================  ==========================================================
    prior       the age of the task                         a Pareto distribution around the usual 75 s
    history     how long ended tasks of its kind took,      their distribution, given that this one has lived so long
                or those that run say they will take
    percentage  what share of the time percentages meant    time so far / share, with the error that this had so far
    pattern     what ended tasks showed at each share       the durations that make what this one showed likely
    queue       waitNumber, the pace of the queue, history  places * seconds a place + a usual task
    ==========  ==========================================  ==========================================================

    Percentages mean what they meant in ended tasks (`progress.ProgressCurve`), and until there are any, a straight
    line. Where they come in steps, or stay at 0 or at 99 for long, the moment at which they change tells more than
    their value: that is what the pattern sees. A percentage that falls begins a new attempt. Percentages at random get
    the wide distribution that they deserve.

Their weights
    Each expert predicts the chance that the next look finds the task running. What the look finds is evidence for or
    against each (prequential statistics: A. P. Dawid 1984), at once for this task, and for later tasks of its kind
    when it ends. Percentages that confirm each other gain weight before any task has ended. The prior always keeps
    some, which bounds the harm when all others are wrong: a task that should have been over long ago is looked at like
    one about which nothing is known.

Many at once
    Hundreds of tasks submitted at once need not each find out alone which expert to believe. The evidence of the tasks
    that run now counts for the others of their kind before any of them has ended, and so do how straight their
    percentages are, and how long they say they will take (`pooled`). When a first look is due, it is reconsidered in
    view of that. What nobody can know yet is where percentages lead that have led to no end so far: when one of the
    first three ends long before its percentage predicted it, all others are replanned.

    An end is only known to lie between two looks. Where, the mixture of all experts says, and everything is learned
    from that distribution (the E and M steps of the EM algorithm), so that looks far apart teach too. Old evidence
    fades: a service may change.

Behind a queue
    Of a task that waited nobody knows when its work began, until two percentages tell. However long it is expected to
    take, it may have begun at once and be one of the shortest: it is looked at 10 s after those would be over. So is a
    task for the first time where percentages are usual: they tell as much then as later.

Without any evidence
    The first look comes 5 to 6 s after submission, and the next ones about every 5 s, slowly stretching as the task
    outlives what is usual. Percentages that rise steadily are believed after a few looks. A task resumed by its id, of
    unknown age, is looked at within about a second.

One client, one process
    Looks that are nearly due go together: they fall on slots a quarter of a second apart, the earlier or the later one
    by its cost. Each client has a phase of its own, so that many clients do not look all at once.

Constants
    ``python -m benchmarks.pacing.ablation --constants`` halves and doubles each; without ``--constants`` it prints what
    each idea earns. *flat* beside a constant means that neither raises the mean cost of a job by more than new dice
    do: 2 % with ``--quick``, and 5 % with ``--every 4`` besides, for `experts`, `forecast` and `inspection`. Others
    name their bound, their paper, or who suffers.

From predictions to a moment: `inspection`. What it comes to on services truthful and not:
``python -m benchmarks.pacing``.
"""

from .forecast import Forecast, Kind
from .settings import Pacing
from .track import Track

__all__ = ["Forecast", "Kind", "Pacing", "Track"]
