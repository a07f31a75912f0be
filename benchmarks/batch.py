"""A batch whose bottleneck is the service: its makespan against the least time the service itself could take."""

from typing import Any

from .peers import spawn
from .server import Load, Server, running

#: Jobs, and the service that works on them: each worker gets 15.
JOBS = 300
LOAD = Load(duration=30.0, workers=20)


def measure(server: Server) -> dict[str, Any]:
    """Return makespan and bound in seconds, and how much of the makespan the client is to blame for."""
    result = spawn("ideal_async.batch", server, LOAD, JOBS)
    return {
        "jobs": JOBS,
        "workers": LOAD.workers,
        "duration": LOAD.duration,
        "makespan": result["makespan"],
        "bound": result["bound"],
        "looks": result["requests"] - 1,
        "cpu_ms": result["cpu_ms"],
        "late_mean": result["late_mean"],
    }


def main() -> dict[str, Any]:
    """Measure."""
    with running() as server:
        return measure(server)


if __name__ == "__main__":
    print(main())
