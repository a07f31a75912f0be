"""Sessions: tests, lint, types, package, docs (the default); servers, versions, oldest, soak, bench."""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types", "package", "docs"]
nox.options.error_on_external_run = True

# The suite starts hundreds of Pythons: what they import is compiled once, when it is installed or first run.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")
COMPILED = {"PYTHONDONTWRITEBYTECODE": None}

PROJECT = nox.project.load_toml("pyproject.toml")
EXTRAS = ".[buckets,celery,cli,fast,http2,otel,photos,postgres,sandbox,temporal,webdemo]"

#: Tests of what users call; the rest has run from the checkout already.
FACES = [
    f"tests/test_{name}.py"
    for name in ("public_api", "client", "client_journal", "batch", "download", "docs", "sandbox_app", "cli_commands")
]

#: One more than CI's machine has cores, for many tests wait for processes; `worksteal` evens out what takes long.
PARALLEL = ["-n", "3", "--dist", "worksteal", "--tb", "native"]

#: What tells one Python, or one release of a dependency, from another.
QUICK = "not slow and not servers"

#: pdoc sees only what is in a module already, and some names come when they are first used. It leaves out what a class
#: inherits from a module that has no page, and names that module: `Journal` would be without `release`.
PDOC = """
import importlib, pathlib, re, sys, pdoc
INTERNAL = {"_retry.Failure", "_window.Job", "_journal.repair.Repaired"}  # nobody makes one, or calls what takes one
folder, style, *modules = sys.argv[1:]
faces = {}
for module in map(importlib.import_module, modules):
    vars(module).update({name: getattr(module, name) for name in getattr(module, "__all__", ())})
    for name, value in ((name, getattr(module, name)) for name in getattr(module, "__all__", ())):
        faces[getattr(value, "__module__", ""), name] = module.__name__, name, f"{module.__name__}.{name}"

def own_members(self):
    ours = [member for member in self.members.values() if member.taken_from[0].startswith("ideal_async")]
    return [member for member in ours if member.name != "__init__" or not getattr(self.obj, "_is_protocol", False)]

def parameters(self, all_parameters=pdoc.doc._PrettySignature._params):
    return [parameter for parameter in all_parameters(self) if not parameter.startswith("_")]

def bases(self, all_bases=pdoc.doc.Class.bases.func):
    return [faces.get(base[:2], base) for base in all_bases(self) if "._" not in base[0] or base[:2] in faces]

def as_imported(text, shorten=pdoc.doc._remove_collections_abc):
    return shorten(re.sub(r"(ideal_async[\\w.]*)\\.(\\w+)", lambda at: faces.get(at.groups(), (at[0],))[-1], text))

pdoc.doc.Class.own_members, pdoc.doc.Class.bases = property(own_members), property(bases)
pdoc.doc._remove_collections_abc, pdoc.doc._PrettySignature._params = as_imported, parameters
pdoc.render.configure(docformat="google", template_directory=pathlib.Path(style))
pdoc.pdoc(*modules, output_directory=pathlib.Path(folder))
for page in sorted(pathlib.Path(folder).rglob("*.html")):
    text = re.sub(r'<div class="pdoc-code codehilite">.*?</div>|<[^>]+>', "", page.read_text("utf-8"), flags=re.DOTALL)
    private = set(re.findall(r"ideal_async\\.((?:\\w+\\.)*_[\\w.]+)", text)) - INTERNAL
    assert not private, f"{page} sends people to {private}: give it a name that may be imported"
"""

#: Our lines have 120 characters; where there is room, they fit into the page.
STYLE = """
@media (min-width: 770px) { main, header { width: calc(64rem + var(--sidebar-width)); } }
.pdoc pre { font-size: .8rem; }
.pdoc .docstring > p, .pdoc .docstring > ul { max-width: 48rem; }
"""


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


def run_suite(session: nox.Session, which: str, *groups: str) -> None:
    """Run the tests of a mark, or those that were named, on both backends; measure the coverage of branches."""
    session.install("-e", EXTRAS, *(requirement for name in ("tests", "tools", *groups) for requirement in group(name)))
    for requirement in group("tools-old"):
        folder = Path(session.virtualenv.location, "old", requirement)
        session.install("--no-deps", "--target", str(folder), requirement)
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    if which == "not servers":
        session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-m", which, *PARALLEL, env=COMPILED)
    session.run("coverage", "combine", "--quiet")
    # That every branch has run is for CI to say, which runs both sessions.
    complete = which == "servers" and "CI" in os.environ
    session.run("coverage", "report", *([] if complete else ["--fail-under=0"]))
    if which == "not servers":
        shutil.copy(".coverage", ".coverage.tests")  # to be combined with what the other session measures


@nox.session
def tests(session: nox.Session) -> None:
    """Run the suite, but for what needs real servers, a browser or a tool."""
    run_suite(session, "not servers")


@nox.session
def servers(session: nox.Session) -> None:
    """Run the rest of the suite; behind `tests`, whose coverage it adds to."""
    run_suite(session, "servers", "servers")


@nox.session
def lint(session: nox.Session) -> None:
    """Hold the house style."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check every annotation with two strict checkers."""
    session.install("-e", EXTRAS, *group("types"), "nox")
    session.run("mypy")
    session.run("pyright")


@nox.session
def package(session: nox.Session) -> None:
    """Build the wheel, and run what users rely on from it, far from the checkout."""
    work = Path(session.create_tmp()).resolve()
    shutil.rmtree(work)
    session.install("build")
    session.run("python", "-m", "build", "--outdir", str(work / "dist"), silent=True)
    (wheel,) = (work / "dist").glob("*.whl")
    session.install(
        f"{wheel}[buckets,celery,cli,fast,http2,otel,photos,postgres,sandbox,temporal,webdemo]", *group("tests")
    )
    for part in ("tests", "README.md", "pyproject.toml"):
        source = Path(part)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, work / part)
    with session.chdir(work):
        session.run("ideal-async", "--help", silent=True)
        session.run("pytest", "-q", "-m", "not slow and not checkout", *FACES)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the reference from the docstrings, into build/docs."""
    session.install("-e", EXTRAS, *group("docs"))
    package = Path("ideal_async")
    # The command line explains itself (--help); the other file is what pytest loads at its start.
    public = [
        path.stem
        for path in sorted(package.iterdir())
        if (path.suffix == ".py" or (path / "__init__.py").exists())
        and not path.name.startswith("_")
        and path.stem not in {"cli", "pytest_ideal_async"}
    ]
    modules = [package.name, *(f"{package.name}.{name}" for name in public)]
    style = Path(session.create_tmp()).resolve()
    (style / "custom.css").write_text(STYLE, "utf-8")
    session.run("python", "-W", "error", "-c", PDOC, "build/docs", str(style), *modules)
    session.log("open build/docs/index.html")


@nox.session(python=nox.project.python_versions(PROJECT))
def versions(session: nox.Session) -> None:
    """Run all that is not slow on every Python the package claims to work with, in its development mode."""
    session.install("-e", EXTRAS, *group("tests"))
    session.run(
        "pytest", "-q", "-m", "not slow and not servers", *PARALLEL, *session.posargs, env={"PYTHONDEVMODE": "1"}
    )


@nox.session
def oldest(session: nox.Session) -> None:
    """Run the suite with the oldest dependencies the package claims to work with."""
    floors = [requirement.split(",")[0].replace(">=", "==") for requirement in PROJECT["project"]["dependencies"]]
    session.install("-e", EXTRAS, *group("tests"), *floors)
    session.run("pytest", "-q", "-m", QUICK, *PARALLEL)


@nox.session
def soak(session: nox.Session) -> None:
    """Pull the plug hundreds of times."""
    session.install("-e", EXTRAS, *group("tests"), *group("servers"))
    session.run("pytest", "-q", "-m", "soak or slow", env={"IDEAL_ASYNC_SOAK": "1"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, as ratios in one run."""
    session.install("-e", EXTRAS, *group("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)
