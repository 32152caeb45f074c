"""Check which package may import which, against one table; every package must be in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.contracts.source_files import SourceModule, list_modules

DOMAINS = {"accounts", "workspaces", "tickets"}

MAY_IMPORT: dict[str, set[str]] = {
    # What the product is made of. The arrows point one way, and nothing here points further down.
    "kit": set(),
    "events": {"kit"},
    "realtime": {"kit", "events"},
    "dispatches": {"kit", "events"},
    "jobs": {"kit", "events"},
    "webhooks": {"kit", "events", "jobs"},
    "accounts": {"kit", "events", "dispatches"},
    "workspaces": {"kit", "events", "dispatches", "accounts"},
    "tickets": {"kit", "events", "dispatches", "jobs", "accounts", "workspaces"},
    "direct_edits": {"kit", "events"} | DOMAINS,
    "integrations": {"kit", "events", "dispatches", "jobs", "webhooks"} | DOMAINS,
    "web": {"kit", "events", "realtime", "dispatches"} | DOMAINS,
    # How it is put together and run. Nothing above may import these.
    "settings": {"kit"},
    "schema": {"kit", "events", "dispatches", "jobs", "webhooks", "direct_edits"} | DOMAINS,
    "migrations": {"kit", "schema"},
    "server": {"kit", "events", "realtime", "webhooks", "integrations", "web", "direct_edits"}
    | DOMAINS
    | {"dispatches", "jobs", "schema", "settings"},
    "cli": {"kit", "events", "webhooks", "integrations", "direct_edits", "demo", "server"}
    | DOMAINS
    | {"dispatches", "jobs", "schema", "settings"},
    "demo": {"kit", "events", "integrations", "web", "webhooks", "server", "settings"} | DOMAINS,
    "__main__": {"cli"},
    "__init__": set(),
}

# The same inside a package: its sub-packages, and those of its own modules that import one of
# them. Any other module of the package is a foundation: every sub-package may import it, and it
# imports none of them.
SUB_MAY_IMPORT: dict[str, dict[str, set[str]]] = {
    "web": {
        "http": set(),
        "rendering": {"http"},
        "errors": {"http", "rendering"},
        "auth": {"http", "rendering"},
        "api": {"http", "rendering", "auth"},
        "pages": {"http", "rendering", "auth"},
        "routes": {"http", "rendering", "auth", "api", "pages"},
    },
    "tickets": {
        "files": set(),
        "queries": set(),
        "actions": {"files"},
        "data_export": {"files"},
    },
    "workspaces": {
        "guilds": set(),
        "organizations": set(),
        "keys": {"guilds", "organizations"},
    },
}

ALLOWED_LATE_IMPORTS = {
    "cli.context": "as cli.main",
    "kit.open_store": "the client of S3 is optional",
    "kit.connect": "PostgreSQL's driver is optional",
    "cli.consumers": "as cli.main",
    "cli.dispatches": "as cli.main",
    "cli.events": "as cli.main",
    "cli.jobs": "as cli.main",
    "cli.keys": "as cli.main",
    "cli.main": "the shell must answer `--version` without loading a server",
    "integrations.discord.sender": "httpx2 costs 0.2 s, and every command imports this module",
}


def test_every_package_has_a_row() -> None:
    found = {package_of(module.name) for module in list_modules()}

    for package in found - MAY_IMPORT.keys():
        raise AssertionError(
            f"src/deskwire/{package} has no row: add one to MAY_IMPORT in "
            "tests/contracts/test_import_directions.py and to docs/architecture.md"
        )
    assert MAY_IMPORT.keys() == found, "rows without a package: remove them from MAY_IMPORT"


def test_imports_follow_the_table() -> None:
    for module in list_modules():
        own = package_of(module.name)
        for line, target in imports(module):
            other = package_of(target)
            allowed = {own, "__init__"} | MAY_IMPORT[own]  # __init__ holds the version only
            assert other in allowed, (
                f"{module.path}:{line} imports deskwire.{target}: {own} may not import {other}. "
                "Move the code, or change MAY_IMPORT with a decision record"
            )


def test_every_sub_package_has_a_row() -> None:
    for package, rows in SUB_MAY_IMPORT.items():
        for name in sub_packages_of(package) - rows.keys():
            raise AssertionError(
                f"src/deskwire/{package}/{name} has no row: add one to SUB_MAY_IMPORT in "
                "tests/contracts/test_import_directions.py"
            )
        assert rows.keys() <= inner_edges(package).keys(), (
            f"SUB_MAY_IMPORT: remove the rows of {package} that name no module or package"
        )


def test_imports_inside_a_package_follow_the_table() -> None:
    for package, rows in SUB_MAY_IMPORT.items():
        restricted = sub_packages_of(package)
        for own, targets in inner_edges(package).items():
            for other, where in targets.items():
                assert other not in restricted or other in rows.get(own, set()), (
                    f"{where}: {package}.{own} may not import {package}.{other}. Move the code, or "
                    "change SUB_MAY_IMPORT"
                )


def test_sub_packages_import_each_other_in_one_direction() -> None:
    for package in SUB_MAY_IMPORT:
        edges = {own: set(targets) for own, targets in inner_edges(package).items()}
        for name in sorted(edges):
            path = find_cycle(name, edges)
            assert path is None, f"these parts of {package} form a cycle: {' → '.join(path or [])}"


def test_integrations_do_not_know_each_other() -> None:
    for module in list_modules():
        own = module.name.split(".")[:2]
        for line, target in imports(module):
            theirs = target.split(".")[:2]
            if own[0] == theirs[0] == "integrations":
                assert own == theirs, f"{module.path}:{line} imports another integration"


def test_no_two_modules_import_each_other() -> None:
    names = {module.name for module in list_modules()}
    edges = {
        module.name: {target for _, target in imports(module, at_run_time=True) if target in names}
        for module in list_modules()
    }

    for name in sorted(names):
        path = find_cycle(name, edges)
        assert path is None, f"these import each other in a ring: {' → '.join(path or [])}"


def test_imports_are_at_the_top_of_modules() -> None:
    for module in list_modules():
        late = all_imports(module.tree) - typing_only(module.tree) - set(module.tree.body)
        if late and module.name not in ALLOWED_LATE_IMPORTS:
            lines = ", ".join(sorted(ast.unparse(node) for node in late))
            raise AssertionError(
                f"{module.path} imports inside a function ({lines}): move it to the top, or "
                "name the reason in LATE_IMPORTS in tests/contracts/test_import_directions.py"
            )
        assert late or module.name not in ALLOWED_LATE_IMPORTS, (
            f"LATE_IMPORTS: {module.name} has none"
        )


def package_of(name: str) -> str:
    """`events.bus.memory` → `events`; the package itself is `__init__`."""
    return name.partition(".")[0] or "__init__"


def sub_packages_of(package: str) -> set[str]:
    """The packages directly below a package, such as `api` in `web`."""
    parts = [module.name.split(".") for module in list_modules()]
    return {names[1] for names in parts if names[0] == package and len(names) > 2}


def inner_edges(package: str) -> dict[str, dict[str, str]]:
    """What each part of a package (a sub-package, or one of its modules) imports of the others,
    with the file and line of one such import."""
    edges: dict[str, dict[str, str]] = {}
    for module in list_modules():
        names = module.name.split(".")
        if names[0] != package or len(names) < 2:
            continue
        targets = edges.setdefault(names[1], {})
        for line, target in imports(module):
            parts = target.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] != names[1]:
                targets.setdefault(parts[1], f"{module.path}:{line}")
    return edges


def imports(module: SourceModule, *, at_run_time: bool = False) -> Iterator[tuple[int, str]]:
    """Lines and targets of imports of our own modules, as `events.hub`."""
    skipped = typing_only(module.tree) if at_run_time else set()
    names = {each.name for each in list_modules()}
    for node in ast.walk(module.tree):
        if node in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{module.path}:{node.lineno}: write imports in full"
            if node.module == "deskwire" or node.module.startswith("deskwire."):
                base = node.module.removeprefix("deskwire").removeprefix(".")
                for alias in node.names:
                    whole = f"{base}.{alias.name}".removeprefix(".")
                    yield node.lineno, whole if whole in names else base
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("deskwire."):
                    yield node.lineno, alias.name.removeprefix("deskwire.")


def all_imports(tree: ast.AST) -> set[ast.AST]:
    return {node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)}


def typing_only(tree: ast.Module) -> set[ast.AST]:
    """The imports under `if TYPE_CHECKING:`."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    ]
    return {node for block in blocks for node in all_imports(block)}


def find_cycle(start: str, edges: dict[str, set[str]]) -> list[str] | None:
    """The shortest way from a module to itself, if there is one."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for target in sorted(edges.get(way[-1], ())):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return None
