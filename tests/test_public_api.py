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
"""


def test_the_exported_names_are_the_public_names() -> None:
    """Nothing is forgotten, nothing slips in, and they are sorted as ruff sorts them."""
    public = {
        name
        for name, value in vars(ideal_async).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(ideal_async.__all__) == public
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
    "submit": "(request, *, key=None)",
    "fetch": "(task_id)",
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
        (ideal_async.batch, "(client, requests, *, max_in_flight=200, timeout=None, on_submit=None)"),
        (ideal_async.resume, "(client, *, max_in_flight=50)"),
        (
            ideal_async.AsyncClient,
            (
                "(api_key=None, *, base_url=None, http_client=None, transport=None, max_requests_at_once=10, "
                "retry=None, pacing=None, journal=None, budget=None, observer=None)"
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


@pytest.mark.slow
def test_importing_is_quick_and_quiet() -> None:
    """No metadata, no sandbox, no command line, no picture library, no other event loop, and no warning."""
    heavy = "{'importlib.metadata', 'ideal_async.sandbox', 'ideal_async.cli', 'numpy', 'av', 'uvicorn', 'trio'}"
    code = f"import sys, ideal_async; print(sorted({heavy} & set(sys.modules)))"
    path = [*filter(None, sys.path)]
    script = f"import sys; sys.path[:0] = {path!r}; {code}"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_sandbox_has_a_face_of_its_own() -> None:
    """Sorted, too."""
    assert ideal_async.sandbox.__all__ == sorted(ideal_async.sandbox.__all__)
    assert "Sandbox" in ideal_async.sandbox.__all__
