"""The examples in docstrings run, and everything public has one that can be read."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import ideal_async
import ideal_async.sandbox

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ideal_async.__path__, "ideal_async.")
    if not module.name.endswith(("__main__", "pytest_ideal_async"))
)


def modules() -> list[ModuleType]:
    return [importlib.import_module(name) for name in MODULES]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a docstring shows is what happens."""
    monkeypatch.chdir(tmp_path_factory.mktemp("docs"))
    module = importlib.import_module(name)
    # Examples use the public names as a reader would, without importing each.
    names = {**vars(ideal_async), **vars(ideal_async.sandbox), **vars(module)}
    failures, _ = doctest.testmod(module, extraglobs=names)
    assert failures == 0


@pytest.mark.parametrize("name", [name for name in ideal_async.__all__ if not name.isupper()])
def test_public_names_are_documented(name: str) -> None:
    """Each public name has a summary of one sentence, and so has each public method."""
    public = getattr(ideal_async, name)
    assert inspect.getdoc(public)
    for member, value in vars(public).items() if inspect.isclass(public) else ():
        if inspect.isfunction(value) and not member.startswith("_"):
            assert inspect.getdoc(value), f"{name}.{member} has no docstring"
