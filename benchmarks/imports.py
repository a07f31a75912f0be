"""What `import` costs: ours, its dependencies alone, and the peers; each in fresh processes, rounds interleaved."""

import os
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from typing import Any

ROUNDS = 9
#: Contender -> the statement. The second is what nobody who uses our dependencies can save.
STATEMENTS = {
    "python": "pass",
    "httpx, anyio, attrs, cattrs": "import httpx, anyio, attrs, cattrs",
    "asyncio and these": "import asyncio, httpx, anyio, attrs, cattrs",
    "ideal_async": "import ideal_async",
    "what a program writes": "from ideal_async import AsyncClient, ImageToVideo",
    # Most of our rooms come with the first client, and so does httpcore with httpx's own.
    "these, and httpx's client": "import httpx, anyio, attrs, cattrs; httpx.AsyncClient()",
    "ideal_async, and a client": "from ideal_async import AsyncClient; AsyncClient('key')",
    "runwayml": "import runwayml",
    "openai": "import openai",
    "replicate": "import replicate",
    "fal-client": "import fal_client",
}
PROGRAM = """
import sys, time
before = time.process_time()
{statement}
print(1000 * (time.process_time() - before), len(sys.modules))
"""


def main(rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Return CPU milliseconds (the least of all rounds, and the median) and the number of modules."""
    costs: dict[str, list[float]] = {}
    modules: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        # Everybody's bytecode is there, whatever this machine does about it: the first round writes it.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        for number in range(rounds + 1):
            for name, statement in STATEMENTS.items():
                if statement != "pass" and find_spec(statement.split()[1].rstrip(",")) is None:
                    continue
                command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
                answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout.split()  # noqa: S603
                if number:
                    costs.setdefault(name, []).append(float(answer[0]))
                modules[name] = int(answer[1])
    return {
        name: {"least_ms": min(several), "median_ms": statistics.median(several), "modules": modules[name]}
        for name, several in costs.items()
    }


#: What ours is compared with.
BESIDE = {
    "ideal_async": "httpx, anyio, attrs, cattrs",
    "what a program writes": "httpx, anyio, attrs, cattrs",
    "ideal_async, and a client": "these, and httpx's client",
}


def ratio(result: dict[str, Any], name: str = "ideal_async") -> float:
    """Return how many times what our dependencies cost ours does."""
    return float(result[name]["least_ms"] / result[BESIDE[name]]["least_ms"])


if __name__ == "__main__":
    result = main()
    for name, figures in result.items():
        print(f"{name:30}", "  ".join(f"{what} {value:.1f}" for what, value in figures.items()))
    for name, beside in BESIDE.items():
        print(f"{name} / {beside}: {ratio(result, name):.2f}")
