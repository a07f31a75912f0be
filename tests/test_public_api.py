"""The face is a list, and the list is kept."""

import inspect
import pickle
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

import ideal_async
import ideal_async.sandbox

#: Settled in the design; other programs are written against them.
NAMES = """
AsyncClient ImageToVideo Task TaskInput TaskStatus VideoOutput Eta Outcome Outcomes Submission Journal Entry
Pacing Retry Budget Ledger Prices PRICES batch resume estimate
IdealError ConnectionFailed ApiError Unauthorized InvalidRequest OutOfCredits ContentRejected RequestFailed ServerError
RateLimited UnexpectedAnswer SubmissionUnknown TaskFailed WaitTimeout BudgetExceeded JournalFailed DownloadFailed
UploadFailed
"""


def test_the_exported_names_are_the_public_names() -> None:
    """Nothing is forgotten, nothing slips in, and they are sorted as ruff sorts them."""
    public = {
        name
        for name, value in vars(ideal_async).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert sorted(ideal_async.__all__) == [name for name in dir(ideal_async) if name != "__version__"]
    assert set(ideal_async.__all__) == (public | set(ideal_async._LATER)) - {"TYPE_CHECKING"}
    assert len(set(ideal_async.__all__)) == len(ideal_async.__all__)
    constants = [name for name in ideal_async.__all__ if name.isupper()]
    classes = [name for name in ideal_async.__all__ if name[0].isupper() and not name.isupper()]
    functions = [name for name in ideal_async.__all__ if name[0].islower()]
    assert ideal_async.__all__ == sorted(constants) + sorted(classes) + sorted(functions)


def test_the_settled_names_are_there() -> None:
    """Whatever else there is."""
    assert set(NAMES.split()) <= set(ideal_async.__all__)


@pytest.mark.parametrize("name", [name for name in ideal_async.__all__ if not name.isupper()])
def test_every_public_name_explains_itself(name: str) -> None:
    """A docstring whose first line is a sentence, for the class and for all of its public methods."""
    value = getattr(ideal_async, name)
    explained = [value]
    if inspect.isclass(value):
        explained += [
            member for attribute, member in vars(value).items() if not attribute.startswith("_") and callable(member)
        ]
    for thing in explained:
        first = (inspect.getdoc(thing) or "").partition("\n")[0]
        assert first.rstrip("…").endswith((".", ":", "?")) or thing.__doc__ is None or "," in first, thing
        assert first, thing


SIGNATURES: dict[str, str] = {
    "submit": "(request, *, key=None, on_submit=None)",
    "fetch": "(task_id, *, max_age=None)",
    "wait": "(task_id, *, timeout=None, on_progress=None)",
    "generate": "(request, *, key=None, timeout=None, on_submit=None, on_progress=None)",
    "watch": "(task_id, *, timeout=None, max_interval=None)",
    "download": "(task, path, *, part='video')",
    "aclose": "()",
}


def bare(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name != "self" and not name.startswith("_")
    ]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


@pytest.mark.parametrize(("name", "signature"), SIGNATURES.items())
def test_the_signatures_of_a_client_are_settled(name: str, signature: str) -> None:
    """Keyword-only after the first argument; `None` means no limit."""
    assert bare(getattr(ideal_async.AsyncClient, name)) == signature


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (ideal_async.estimate, "(request, *, prices=Prices(date='2026-03-25'))"),
        (
            ideal_async.batch,
            "(client, requests, *, max_in_flight=200, timeout=None, on_submit=None, save=None, on_progress=None)",
        ),
        (ideal_async.resume, "(client, *, max_in_flight=50, timeout=None, save=None, on_progress=None)"),
        (
            ideal_async.AsyncClient,
            (
                "(api_key=None, *, base_url=None, http_client=None, transport=None, max_requests_at_once=10, "
                "retry=None, pacing=None, journal=None, account=None, budget=None, prices=None, "
                "follow=False, on_end=None, observer=None, uploads=None, through_httpx=False)"
            ),
        ),
    ],
)
def test_the_other_signatures_are_settled(function: Any, signature: str) -> None:
    """Values that can be shared are given as `None` for their defaults."""
    assert bare(function) == signature


@pytest.mark.parametrize("name", ["ImageToVideo", "Task", "Retry", "Pacing", "Outcome", "Submission"])
def test_a_public_value_can_be_pickled_by_its_public_name(name: str) -> None:
    """Its class is found again, whichever private room it lives in."""
    cls = getattr(ideal_async, name)
    assert pickle.loads(pickle.dumps(cls)) is cls  # noqa: S301 - our own bytes


def test_the_version_is_a_plain_string() -> None:
    """Read without importing the package's metadata, which is slow."""
    assert ideal_async.__version__.split(".")[0].isdecimal()


#: What importing the package must not load: whoever needs it pays for it.
HEAVY = """
importlib.metadata asyncio sqlite3 numpy av PIL aiohttp uvicorn starlette trio rich cyclopts jinja2 opentelemetry pytest
ideal_async.sandbox ideal_async.cli ideal_async.webdemo ideal_async.fast ideal_async.opentelemetry
ideal_async.pytest_plugin ideal_async.typing
ideal_async._journal ideal_async._batch ideal_async._assembly ideal_async._forecast ideal_async._transports
"""


def run_alone(code: str) -> str:
    """Return what a fresh interpreter prints, in which every warning is an error."""
    path = [*filter(None, sys.path)]
    script = f"import sys; sys.path[:0] = {path!r}\n{code}"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["import ideal_async", "from ideal_async import AsyncClient, ImageToVideo"])
def test_importing_is_quick_and_quiet(statement: str) -> None:
    """No event loop, database, command line, sandbox, picture library or metadata of ours, and no warning."""
    code = f"""
import httpx, anyio, attrs, cattrs  # httpx brings rich along for a command line of its own
theirs = set(sys.modules)
{statement}
print(sorted(set({HEAVY.split()!r}) & (set(sys.modules) - theirs)))
"""
    assert run_alone(code) == "[]"


@pytest.mark.slow
def test_a_client_is_complete_when_it_is_made() -> None:
    """What it does is not held up by an import later, in the event loop: only a journal and a batch bring more."""
    code = """
import asyncio, httpx
from ideal_async import AsyncClient, ImageToVideo, Pacing, TaskFailed

def answer(request):
    if request.method == "POST":
        return httpx.Response(200, json={"code": 0, "message": "success", "data": 7})
    task = {"id": 7, "status": "Failed", "percentage": 0, "waitNumber": 0, "input": {}, "output": None}
    return httpx.Response(200, json={"code": 0, "message": "success", "data": task})

async def main():
    quick = Pacing(min_interval=0.001, max_interval=0.01)
    client = AsyncClient("key", transport=httpx.MockTransport(answer), pacing=quick)
    before = set(sys.modules)
    async with client:
        task_id = await client.submit(ImageToVideo("https://example.com/a.jpg", duration=5, resolution="480p"), key="a")
        try:
            await client.wait(task_id, timeout=60)
        except TaskFailed:
            print(sorted(name for name in set(sys.modules) - before if name.startswith("ideal_async")))

asyncio.run(main())
"""
    assert run_alone(code) == "[]"


@pytest.mark.slow
def test_a_name_that_comes_later_is_like_the_others() -> None:
    """It is found by `dir`, is the same each time, and stays; with a star all come."""
    code = """
import ideal_async
for name in sorted(ideal_async._LATER):
    there = name in vars(ideal_async), name in dir(ideal_async)
    value = getattr(ideal_async, name)
    print(name, *there, value is getattr(ideal_async, name) is vars(ideal_async)[name])
from ideal_async import *
print(all(globals()[name] is getattr(ideal_async, name) for name in ideal_async.__all__))
"""
    assert run_alone(code).split("\n") == [
        *(f"{name} False True True" for name in sorted(ideal_async._LATER)),
        "True",
    ]


@pytest.mark.slow
def test_a_name_comes_later_to_whichever_thread_asks() -> None:
    """All that ask at once get the same."""
    code = """
import ideal_async
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as threads:
    print(len(set(threads.map(lambda _: ideal_async.Journal, range(64)))))
"""
    assert run_alone(code) == "1"


def test_a_wrong_name_is_told_as_of_any_module() -> None:
    """With what the interpreter needs to suggest the right one."""
    with pytest.raises(AttributeError, match=r"^module 'ideal_async' has no attribute 'Jurnal'$") as caught:
        ideal_async.Jurnal  # type: ignore[attr-defined]  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("Jurnal", ideal_async)


def test_the_sandbox_has_a_face_of_its_own() -> None:
    """Sorted, constants first."""
    names = ideal_async.sandbox.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert "Sandbox" in ideal_async.sandbox.__all__
