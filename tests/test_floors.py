"""A room of skdeep imports only from the floors below it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import skdeep

# Top to bottom; rooms on one line do not know each other.
FLOORS = """
    cli
    model_selection
    active_learning
    serving
    inspection
    tabular factorization image sequence decomposition embedding \
    generative adaptation games network
    base
    callbacks
    blueprint
    targets
    layers
    preprocessing
    metrics
    engine
    optimizers
    schedules
    gaussian_process
    hyperparameters
    validation
    persistence
    _config
    exceptions
    datasets
"""
FLOOR = {room: i for i, rooms in enumerate(FLOORS.split("\n")) for room in rooms.split()}

HOUSE = Path(skdeep.__file__).parent
FILES = sorted(
    path for path in HOUSE.rglob("*.py") if path.parent != HOUSE or path.stem[:2] != "__"
)


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(dotted name, source line) of every import, inside functions too."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            yield name, source.splitlines()[node.lineno - 1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_room_imports_only_from_the_floors_below(path):
    room = room_of(path)
    assert room in FLOOR, f"give the new room {room!r} a floor"
    for name, line in imports(path):
        package, _, other = name.partition(".")
        other = other.partition(".")[0]
        if package == "skdeep" and other != room:
            assert FLOOR.get(other, -1) > FLOOR[room], line


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_tensorflow_is_imported_in_the_engine_or_with_a_reason_beside_it(path):
    for name, line in imports(path):
        if name.partition(".")[0] == "tensorflow" and room_of(path) != "engine":
            assert re.search(r"#(?!\s*(noqa|type:)).*\w", line), line
