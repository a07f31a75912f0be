"""The examples in docstrings run, and everything public explains itself."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import ideal_async
import ideal_async.sandbox

MODULES = [
    "ideal_async",
    *sorted(
        module.name
        for module in pkgutil.walk_packages(ideal_async.__path__, "ideal_async.")
        if not module.name.endswith(("__main__", "pytest_ideal_async"))
    ),
]
#: The pages of the reference (nox -s docs); the command line explains itself with --help.
PUBLIC = [name for name in MODULES if "._" not in name and not name.startswith("ideal_async.cli")]
#: As Google's style has it: at the beginning of a line, in the section.
SECTION = re.compile(r"^ *Raises:\n((?: +.*\n|\n)+)", re.MULTILINE)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a docstring shows is what happens."""
    monkeypatch.chdir(tmp_path_factory.mktemp("docs"))
    module = importlib.import_module(name)
    # Examples use the public names as a reader would, without importing each.
    face = {public: getattr(ideal_async, public) for public in ideal_async.__all__}
    names = {**face, **vars(ideal_async.sandbox), **vars(module)}
    failures, _ = doctest.testmod(module, extraglobs=names)
    assert failures == 0


def public_names(module: ModuleType) -> dict[str, Any]:
    """What a module offers: its `__all__`, or else what it defines."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    names = getattr(module, "__all__", [name for name in own if not name.startswith(("_", "pytest_"))])
    return {name: getattr(module, name) for name in names}


def explained(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Each class and function of a module, and each method of theirs, inherited or not."""
    for name, value in public_names(module).items():
        if not inspect.isclass(value) and not isinstance(value, FunctionType):
            continue
        yield name, value
        for member in dir(value) if inspect.isclass(value) else ():
            found = inspect.getattr_static(value, member)
            thing = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
            ours = isinstance(thing, FunctionType) and thing.__module__.startswith("ideal_async")
            if ours and not member.startswith("_"):
                yield f"{name}.{member}", thing


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name: str) -> None:
    """Each has a summary of one sentence, and so has each public method."""
    module = importlib.import_module(name)
    assert module.__doc__
    for called, thing in explained(module):
        assert inspect.getdoc(thing), f"{name}.{called} has no docstring"


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_in_an_example(name: str) -> None:
    """In its own docstring, in one of its methods', or in the guide of its module."""
    module = importlib.import_module(name)
    parser = doctest.DocTestParser()
    guide = " ".join(example.source for example in parser.get_examples(module.__doc__ or ""))
    shown = {called.partition(".")[0] for called, thing in explained(module) if ">>>" in (inspect.getdoc(thing) or "")}
    for called, value in public_names(module).items():
        if inspect.isclass(value) or isinstance(value, FunctionType):
            assert called in shown or re.search(rf"\b{called}\b", guide), f"{name}.{called} is in no example"


@pytest.mark.parametrize("name", PUBLIC)
def test_raises_names_exceptions(name: str) -> None:
    """Each line of a section is an exception and when it comes: no generator of pages knows one that is called As."""
    module = importlib.import_module(name)
    known = {**vars(importlib.import_module("builtins")), **vars(module)}
    known |= {error: getattr(ideal_async, error) for error in ideal_async.__all__}
    for called, thing in explained(module):
        for section in SECTION.findall((inspect.getdoc(thing) or "") + "\n"):
            indent = len(section) - len(section.lstrip())
            for line in section.splitlines():
                if line[:indent].isspace() and line[indent : indent + 1].strip():
                    error, colon, _ = line.strip().partition(":")
                    if not colon:
                        break  # the section has ended
                    assert isinstance(known.get(error), type), f"{name}.{called}: {error}"


@pytest.mark.parametrize("name", PUBLIC)
def test_nobody_is_sent_to_a_private_module(name: str) -> None:
    """`help` of anything public names only what may be imported."""
    module = importlib.import_module(name)
    texts = [module.__doc__ or "", *(inspect.getdoc(thing) or "" for _, thing in explained(module))]
    assert not [found for text in texts for found in re.findall(r"ideal_async\._\w+|`_\w+`", text)]


@pytest.mark.parametrize("name", PUBLIC)
def test_only_sections_look_like_sections(name: str) -> None:
    """A generator of pages takes words with a colon, above lines that are indented, for one, and runs them together."""
    module = importlib.import_module(name)
    known = {"Args", "Raises", "Returns", "Yields", "Attributes", "Example"}
    texts = [module.__doc__ or "", *(inspect.getdoc(thing) or "" for _, thing in explained(module))]
    found = {title for text in texts for title in re.findall(r"^([A-Z][A-Z a-z]+):\n+ {4}", text, re.MULTILINE)}
    assert found <= known


def test_the_words_of_an_annotation_are_exported() -> None:
    """Every `Literal` that a public signature takes has a name in `ideal_async.typing` or in the sandbox."""
    offered = {**public_names(importlib.import_module("ideal_async.typing")), **public_names(ideal_async.sandbox)}
    named = {repr(value) for value in offered.values()}
    for path in sorted(Path(ideal_async.__path__[0]).glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        module = importlib.import_module(f"ideal_async.{path.stem}") if path.stem.startswith("_") else None
        for node in tree.body if module is not None and not path.stem.startswith("__") else ():
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
                alias = getattr(module, ast.unparse(node.targets[0]))
                if ast.unparse(node.value.value) == "Literal":
                    assert repr(alias) in named, f"{path.name}: {ast.unparse(node)}"
