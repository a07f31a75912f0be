"""Print everything, or what is asked for: `python -m benchmarks [overhead] [peers] [scale] [batch] [imports]`."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import batch, imports, overhead, peers, picture, scale

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
PICTURE = FOLDER / "results.svg"

#: What was promised: a figure, and what it must not exceed.
Promise = tuple[str, float, float]


def show_imports(result: dict[str, Any]) -> list[Promise]:
    """Print what an import costs."""
    for name, figures in result.items():
        print(f"  {name:34} {figures['least_ms']:7.1f} ms   {figures['modules']:4.0f} modules")
    return [
        ("import, times that of our dependencies", imports.ratio(result), 1.1),
        ("import of the client, times that", imports.ratio(result, "what a program writes"), 1.1),
    ]


def show_overhead(result: dict[str, float]) -> list[Promise]:
    """Print what a look and a submit cost."""
    bare = result["look: httpx"]
    for name, cost in result.items():
        print(f"  {name:34} {1000 * cost:7.0f} us   {cost / bare:5.2f} of a bare httpx GET")
    share = 1 - bare / result["look: ours on httpx"]
    return [("our share of the CPU of a look on httpx", share, 0.15)]


def show_peers(result: list[dict[str, Any]]) -> list[Promise]:
    """Print what a job costs with each client."""
    print(
        f"  {'':28}{'jobs':>5} {'CPU ms':>7} {'requests':>9} {'peak/s':>7} {'conn.':>6}"
        f" {'kB':>5} {'late s':>7} {'p95':>6}"
    )
    known: dict[tuple[int, bool, str], dict[str, Any]] = {}
    last = None
    for one in result:
        if (group := (one["jobs"], one["percentage"])) != last:
            last = group
            print(
                f"  {one['jobs']} jobs of {one['duration']:.0f} s"
                + ("" if one["percentage"] else ", percentage stuck at 0")
            )
        print(
            f"    {one['contender']:31}{one['cpu_ms']:7.2f} {one['requests']:9.2f} {one['peak']:7} "
            f"{one['connections']:6} {one['memory_kb']:5.0f} {one['late_mean']:7.2f} {one['late_p95']:6.2f}"
        )
        known[one["jobs"], one["percentage"], one["contender"]] = one
    promises = []
    for jobs in (200, 300):
        for ours, theirs, times in LIGHTER:
            if (jobs, True, ours) in known and (jobs, True, theirs) in known:
                ratio = known[jobs, True, ours]["cpu_ms"] / known[jobs, True, theirs]["cpu_ms"]
                promises.append((f"CPU per job of {jobs}, {ours}, of {theirs}'s", ratio, 1 / times))
        promises.append((f"s late on average, {jobs} jobs", known[jobs, True, "ideal_async"]["late_mean"], 1.2))
    promises.append(("looks per job, burst of 300", known[300, True, "ideal_async"]["requests"] - 1.0, 4.0))
    return promises


#: How many times less CPU a job should cost with us than with others.
LIGHTER = [
    ("ideal_async", "plain httpx, 5 s", 3.0),
    ("ideal_async", "runwayml", 4.5),
    ("ideal_async, fast", "plain httpx, 5 s", 5.0),
    ("ideal_async, fast", "runwayml", 7.0),
]


def show_scale(result: dict[str, Any]) -> list[Promise]:
    """Print what a job costs at each scale."""
    costs = {int(size): figures for size, figures in result["cost"].items()}
    for size, figures in costs.items():
        print(
            f"  {size:7} jobs   {figures['us']:7.0f} us per job   {figures['us_per_look']:6.0f} us per look   "
            f"{figures['looks']:5.2f} looks   {figures['late']:5.2f} s late"
        )
    memory, callback = result["memory"], result["callback"]
    print(f"  a task waited for: {memory['ours']:.0f} bytes beside its caller's {memory['caller']:.0f}")
    print(f"  submitted here, and waited for: {memory['generate']:.0f} bytes")
    print(
        f"  the longest callback: {callback['longest_ms']:.2f} ms"
        f" ({callback['collector_ms']:.2f} ms with the collector's)"
    )
    return [
        (
            "CPU per job at the largest scale, of the smallest's",
            costs[max(costs)]["us"] / costs[min(costs)]["us"],
            1.25,
        ),
        ("kB per waiting job", memory["ours"] / 1000, 3.0),
        ("ms of the longest callback, 1,000 jobs in flight", callback["longest_ms"], 5.0),
    ]


def show_batch(result: dict[str, Any]) -> list[Promise]:
    """Print how long a batch took."""
    print(
        f"  {result['jobs']} jobs of {result['duration']:.0f} s, {result['workers']} workers:"
        f" {result['makespan']:.1f} s,"
    )
    print(f"  of which the service alone needs {result['bound']:.1f} s; {result['looks']:.1f} looks per job")
    one_look = 5.0  # Pacing.min_interval
    return [("makespan, of 1.02 * the bound + one look", result["makespan"] / (1.02 * result["bound"] + one_look), 1.0)]


MEASURES: dict[str, tuple[Callable[[], Any], Callable[[Any], list[Promise]]]] = {
    "imports": (imports.main, show_imports),
    "overhead": (overhead.main, show_overhead),
    "peers": (peers.main, show_peers),
    "scale": (scale.main, show_scale),
    "batch": (batch.main, show_batch),
}


def versions() -> dict[str, str]:
    """Name what was measured."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("httpx", "httpx2", "anyio", "attrs", "cattrs", *peers.PACKAGES.values()):
        try:
            found[package] = version(package)
        except ImportError:
            continue
    return found


def main(names: list[str]) -> None:
    """Measure, print, and keep the results."""
    unknown = set(names) - set(MEASURES)
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    kept: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    promises: list[Promise] = []
    for name in names or list(MEASURES):
        measure, show = MEASURES[name]
        began = time.monotonic()
        print(name)
        kept[name] = json.loads(json.dumps(measure()))
        promises += show(kept[name])
        print(f"  [{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}]\n", flush=True)
    print("promises")
    for what, value, limit in promises:
        print(f"  {'kept' if value <= limit else 'NOT ':4}  {what:56} {value:7.3f}   at most {limit:.2f}")
    kept["versions"] = versions()
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    PICTURE.write_text(picture.draw(kept), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
