"""`ideal-async estimate`: the price of jobs, or the price table."""

from collections.abc import Mapping, Sequence
from typing import Any

from ideal_async import PRICES

from ._pictures import Pictures
from ._plan import plan
from ._sources import read_sources
from ._summary import count_kinds, find_overruled, list_problems
from ._terminal import DONE, Refused, put, put_json, put_table, say


def show_prices(*, as_json: bool) -> int:
    """Write the whole price table."""
    names = ("model_type", "generate_audio", "resolution", "duration")
    if as_json:
        prices = [{**dict(zip(names, kind, strict=True)), "credits": cost} for kind, cost in PRICES.credits.items()]
        put_json({"date": PRICES.date, "prices": prices})
        return DONE
    rows = [
        (model, "yes" if audio else "no", resolution, f"{duration} s", cost)
        for (model, audio, resolution, duration), cost in PRICES.credits.items()
    ]
    put_table(("model", "audio", "resolution", "duration", "credits"), rows, right=(3, 4))
    put(f"The vendor's prices of {PRICES.date}. A task that fails is refunded.")
    return DONE


def show_estimate(sources: Sequence[str], defaults: Mapping[str, Any], *, as_json: bool) -> int:
    """Write what the jobs of *sources* cost, kind by kind."""
    rows = list(read_sources(sources, uploads=True))
    jobs, problems = plan(rows, defaults, Pictures(None))
    if problems:
        raise Refused(list_problems(problems, len(jobs)))
    for line in find_overruled(rows, defaults):
        say(line)
    kinds = count_kinds([job.request for job in jobs])
    total = sum(cost for _, _, cost in kinds)
    if as_json:
        listed = [{"kind": kind, "jobs": count, "credits": cost} for kind, count, cost in kinds]
        put_json({"jobs": len(jobs), "credits": total, "kinds": listed, "date": PRICES.date})
        return DONE
    put_table(
        ("kind", "jobs", "credits"),
        [
            *((kind, f"{count:,}", f"{cost:,}") for kind, count, cost in kinds),
            ("total", f"{len(jobs):,}", f"{total:,}"),
        ],
        right=(1, 2),
    )
    return DONE
