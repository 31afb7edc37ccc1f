"""The house: arrows of imports point down, there is no circle, and leaves stay light."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import grimp

import pertitle

FLOORS = (
    {"cli"},
    {"commands"},
    {"delivery", "training"},
    {"report", "terminal"},
    {"clicks"},
    {"analysis", "ladder", "encoder", "thumbnails"},
    {"storage"},
    {"system"},
)
"""From the top down; what is not named (records, words, options, ...) lies below them all."""
APART = {"analysis", "ladder", "encoder", "thumbnails", "report", "terminal"}
"""Rooms that know nothing of those beside them: records cross their borders."""
MOST_AT_THE_ROOT = 20


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("pertitle")


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor(module: str) -> int:
    """Number of the floor, 0 the lowest. The package's face calls all that is below `commands`."""
    if module == "pertitle":
        return len(FLOORS) - 1
    found = [len(FLOORS) - i for i, rooms in enumerate(FLOORS) if room(module) in rooms]
    return found[0] if found else 0


def arrows() -> Iterator[tuple[str, str]]:
    for module in graph().modules:
        for imported in graph().find_modules_directly_imported_by(module):
            yield module, imported


def test_no_arrow_runs_up() -> None:
    assert [(a, b) for a, b in arrows() if floor(a) < floor(b)] == []


def test_rooms_beside_one_another_do_not_know_each_other() -> None:
    across = [(a, b) for a, b in arrows() if room(a) != room(b) and {room(a), room(b)} <= APART]
    assert [(a, b) for a, b in across if floor(a) == floor(b)] == []


def test_no_modules_import_in_a_circle() -> None:
    """Modules that import nothing are taken away, again and again (Kahn, 1962): none is left."""
    waits = {module: set[str]() for module in graph().modules}
    for module, imported in arrows():
        waits[module].add(imported)
    while free := [module for module, needs in waits.items() if not needs]:
        for module in free:
            del waits[module]
        for needs in waits.values():
            needs.difference_update(free)
    assert waits == {}


def test_few_modules_stand_at_the_root() -> None:
    at_root = graph().find_children("pertitle")
    modules = [m for m in at_root if not graph().find_children(m)]
    assert len(modules) <= MOST_AT_THE_ROOT


def test_everything_public_is_there() -> None:
    assert [name for name in pertitle.__all__ if not hasattr(pertitle, name)] == []
