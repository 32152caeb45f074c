"""Check which folders of the front end may import which, and that no two modules import each other.

Type-only imports count: a type that a lower folder needs belongs in the lower folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from posixpath import dirname, join, normpath

from tests.contracts.source_files import list_tracked_files, read_file

SOURCE = "frontend/src/"

MAY_IMPORT: dict[str, set[str]] = {
    # Modules at the top that need nothing else, and the types written by `make generate`.
    "clock": set(),
    "i18n": set(),
    "generated": set(),
    # Decisions without a page, a network or a clock.
    "model": {"generated", "i18n"},
    "page": {"model"},
    # Frames from the server, shared between tabs. Knows nothing of the screen.
    "stream": {"clock", "generated", "model"},
    # The DOM. `stream` for the type StreamState, which the indicator shows.
    "ui": {"clock", "generated", "i18n", "model", "stream"},
    # Frames in, changes and reloads out.
    "store": {"clock", "generated", "model", "page", "stream", "ui"},
    # What the reader types and sends.
    "forms": {"clock", "i18n", "store", "ui"},
    "main": {"clock", "forms", "i18n", "model", "page", "store", "stream", "ui"},
}

# Bundled on their own (frontend/scripts/build.mjs), so no module imports them.
ENTRY_POINTS = {"main", "ui/chart", "ui/theme"}

IMPORT = re.compile(r'^(?:import|export)\b[^;"]*?(?:\bfrom\s+)?"([^"]+)";', re.MULTILINE)
DYNAMIC_IMPORT = re.compile(r"\bimport\(")


def test_every_folder_has_a_row() -> None:
    found = {folder_of(module) for module in sources()}

    for folder in sorted(found - MAY_IMPORT.keys()):
        raise AssertionError(
            f"{SOURCE}{folder} has no row: add one to MAY_IMPORT in "
            "tests/contracts/test_frontend_directions.py, or move its files"
        )
    assert MAY_IMPORT.keys() == found, "rows without a folder: remove them from MAY_IMPORT"


def test_imports_follow_the_table() -> None:
    for module in sources():
        folder = folder_of(module)
        for line, target in imports(module):
            allowed = {folder} | MAY_IMPORT[folder]
            assert folder_of(target) in allowed, (
                f"{SOURCE}{module}.ts:{line} imports {target}: {folder} may not import "
                f"{folder_of(target)}. Move the code, or change MAY_IMPORT with a decision record"
            )


def test_every_row_is_used() -> None:
    used: dict[str, set[str]] = {folder: set() for folder in MAY_IMPORT}
    for module in sources():
        used[folder_of(module)] |= {folder_of(target) for _, target in imports(module)}

    for folder, allowed in MAY_IMPORT.items():
        unused = allowed - used[folder]
        assert not unused, f"MAY_IMPORT: {folder} imports nothing of {sorted(unused)}: remove it"


def test_no_two_modules_import_each_other() -> None:
    edges = {module: {target for _, target in imports(module)} for module in sources()}

    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        # Each module of the cycle is imported by the next one.
        cycle = " → ".join(reversed(error.args[1]))
        raise AssertionError(f"{SOURCE} has an import cycle: {cycle}") from None


def test_every_module_is_imported_or_bundled() -> None:
    imported = {target for module in sources() for _, target in imports(module)}

    unused = set(sources()) - imported - ENTRY_POINTS
    assert not unused, f"{SOURCE}: no module imports {sorted(unused)}: delete them"
    assert not imported & ENTRY_POINTS, "an entry point is bundled twice if a module imports it"


def sources() -> dict[str, str]:
    """The text of each module by its path below `frontend/src`, without `.ts`: `model/lists`."""
    paths = [
        path for path in list_tracked_files() if path.startswith(SOURCE) and path.endswith(".ts")
    ]
    return {path.removeprefix(SOURCE).removesuffix(".ts"): read_file(path) for path in paths}


def folder_of(module: str) -> str:
    """`model/lists` → `model`; a module at the top is its own row."""
    return module.partition("/")[0]


def imports(module: str) -> Iterator[tuple[int, str]]:
    """Yield the line and target of each import of our own modules."""
    text = read_file(f"{SOURCE}{module}.ts")
    assert not DYNAMIC_IMPORT.search(text), f"{SOURCE}{module}.ts: write imports at the top"
    for found in IMPORT.finditer(text):
        if found[1].startswith("."):
            line = text.count("\n", 0, found.start(1)) + 1
            target = normpath(join(dirname(module), found[1]))
            yield line, target
