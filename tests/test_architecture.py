"""The map of the house: who may import whom. Change it here first, then in the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.checkout
PACKAGE = Path(__file__).parent.parent / "ideal_async"

#: Each room may import only from the floors below its own. The sandbox is a house of its own.
FLOORS: list[set[str]] = [
    {"_identity", "_notebook"},
    {"_excerpt"},
    {"_caches", "_models", "_ranges", "_media", "_names", "_schedule"},
    {"_errors", "_forecast", "_outcome"},
    {"_wire", "_retry", "_pricing", "_observer", "_waiter", "_progress", "_credentials", "_part"},
    {"_answers", "_adoption", "_transports"},
    {"_exchange", "_watched"},
    {"_attempt"},
    {"_session", "_poller", "_download", "_background", "_journal", "_callbacks", "_arguments"},
    {"_client_journal"},
    {"_books"},
    {"_flight", "_looks"},
    {"_submissions", "_photographs", "_delivery", "_follow"},
    {"_assembly"},
    {"_client"},
    {"_window"},
    {"_batch"},
    {""},  # the face: ideal_async itself
    {"buckets", "postgres", "typing"},
    {"fleet"},
    {"celery", "temporal"},
    {"cli", "pytest_plugin", "opentelemetry", "webdemo", "fast"},
    {"__main__", "pytest_ideal_async"},
]
#: A wing is a package with one door, its `__init__`: nobody reaches past it. Inside, too, imports only go down.
WINGS: dict[str, list[set[str]]] = {
    "_forecast": [
        {"settings", "survival", "pooled", "progress", "pattern"},
        {"history", "inspection"},
        {"track"},
        {"experts"},
        {"forecast"},
        {""},  # the door
    ],
    "_journal": [
        {"entries", "failures", "liveness", "log", "place", "schema"},
        {"contract", "copies", "damage", "group_commit"},
        {"queries", "repair"},
        {"reading", "transitions"},
        {"decisions", "store"},
        {"control", "file_store"},
        {"journal"},
        {""},
    ],
    "_transports": [{"body", "check", "environment", "patches", "proof"}, {"lanes", "pool"}, {"senders"}, {""}],
}
#: Packages that may have doors of their own.
PACKAGES = {"buckets", "celery", "cli", "fleet", "postgres", "sandbox", "temporal", "webdemo"}
#: The deciders: no network, no disk, no clock, no dice, no await.
PURE = {
    *(
        "_caches",
        "_notebook",
        "_excerpt",
        "_identity",
        "_models",
        "_ranges",
        "_errors",
        "_wire",
        "_media",
        "_outcome",
        "_progress",
        "_names",
        "_answers",
        "_retry",
        "_pricing",
        "_observer",
        "sandbox._world",
    ),
    *("_schedule", *(f"_forecast.{room}".removesuffix(".") for floor in WINGS["_forecast"] for room in floor)),
}
HANDS = {"anyio", "asyncio", "httpx", "os", "pathlib", "random", "socket", "sqlite3", "tempfile", "time"}

FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    """A package counts as one room seen from outside."""
    head = name.partition(".")[0]
    return head if head in {*PACKAGES, *WINGS} else name


def imports_of(path: Path) -> Iterator[str]:
    """Every module that *path* names in an import statement, lazy ones too; ours without the package's name."""
    package = ("ideal_async", *path.relative_to(PACKAGE).parent.parts)
    rooms = {name_of(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.replace("ideal_async.", ".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            if module.partition(".")[0] != "ideal_async":
                yield module
                continue
            inner = module.removeprefix("ideal_async").removeprefix(".")
            for alias in node.names:
                child = f"{inner}.{alias.name}".removeprefix(".")
                yield "." + (child if child in rooms else inner)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_only_go_down(path: Path) -> None:
    """A room knows only the floors below it."""
    mine = room_of(name_of(path))
    for imported in imports_of(path):
        if not imported.startswith("."):
            continue
        theirs = room_of(imported.removeprefix("."))
        if mine == "sandbox":
            assert theirs == "sandbox", f"the sandbox is an independent witness, but imports {imported}"
        elif theirs not in {mine, "sandbox"}:
            assert FLOOR[theirs] < FLOOR[mine], f"{mine} imports {theirs}, which is not below it"
        elif theirs == "sandbox":
            assert FLOOR[mine] > FLOOR[""], f"{mine} imports the sandbox, which only stands beside the face"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nobody_reaches_past_the_door_of_a_wing(path: Path) -> None:
    """From outside a wing is one name; inside, imports only go down, too."""
    wing, _, room = name_of(path).partition(".")
    floors = {name: number for number, floor in enumerate(WINGS.get(wing, [])) for name in floor}
    for imported in imports_of(path):
        theirs, _, inner = imported.removeprefix(".").partition(".")
        if imported.startswith(".") and theirs in WINGS:
            if theirs == wing:
                assert floors[inner] < floors[room], f"{wing}.{room} imports {inner}, which is not below it"
            else:
                assert not inner, f"{name_of(path)} reaches past the door of {theirs}, to {inner}"


def test_every_room_is_on_the_map() -> None:
    """No file without a floor, no floor without a file."""
    assert {room_of(name_of(path)) for path in FILES} - {"sandbox"} == set(FLOOR)
    for wing, floors in WINGS.items():
        rooms = {name_of(path).partition(".")[2] for path in FILES if room_of(name_of(path)) == wing}
        assert rooms == set().union(*floors)


@pytest.mark.parametrize("name", sorted(PURE))
def test_deciders_do_no_io(name: str) -> None:
    """A pure room touches no network, disk, clock or dice, and never waits."""
    path = PACKAGE.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    assert not HANDS & {imported.split(".")[0] for imported in imports_of(path) if not imported.startswith(".")}
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    assert not any(isinstance(node, waits) for node in ast.walk(ast.parse(path.read_text("utf-8"))))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_star_imports(path: Path) -> None:
    """Where a name comes from can be read."""
    tree = ast.parse(path.read_text("utf-8"))
    assert not any(
        alias.name == "*" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    )
