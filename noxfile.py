"""Sessions: tests, lint, types, package (the default), bench."""

import nox

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", "lint", "types", "package"]
nox.options.error_on_external_run = True

PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """The requirements of a dependency group."""
    return list(nox.project.dependency_groups(PROJECT, name))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the suite on both backends with complete branch coverage."""
    session.install("-e", ".[cli,sandbox]", *group("tests"))
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs, env={"PYTHONDEVMODE": "1"})
    if not session.posargs:
        session.run("coverage", "combine", "--quiet")
        session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Hold the house style."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check every annotation with two strict checkers."""
    session.install("-e", ".[cli,sandbox]", *group("types"), "nox")
    session.run("mypy")
    session.run("pyright")
