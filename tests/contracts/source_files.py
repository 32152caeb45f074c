"""Read the files that git tracks, and parse the modules, for the contract tests."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
PACKAGE_FOLDER = REPOSITORY_ROOT / "src/deskwire"


@dataclass(frozen=True)
class SourceModule:
    """One Python file of ours. `name` is dotted, without the leading `deskwire.`."""

    path: str  # from the root
    name: str
    text: str
    tree: ast.Module

    @property
    def line_count(self) -> int:
        return len(self.text.splitlines())


@cache
def list_modules() -> tuple[SourceModule, ...]:
    """Every module below src/deskwire."""
    return tuple(_parse_module(path) for path in sorted(PACKAGE_FOLDER.rglob("*.py")))


@cache
def list_tracked_files() -> tuple[str, ...]:
    """Every file of the repository, or of the folder where there is no git."""
    asked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY_ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(name for name in asked.stdout.splitlines() if (REPOSITORY_ROOT / name).is_file())


def read_file(path: str) -> str:
    """A file of the repository as text; bytes that are none are replaced."""
    return (REPOSITORY_ROOT / path).read_text(encoding="utf-8", errors="replace")


def iter_functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _parse_module(path: Path) -> SourceModule:
    text = path.read_text(encoding="utf-8")
    name = ".".join(path.relative_to(PACKAGE_FOLDER).with_suffix("").parts).removesuffix(
        ".__init__"
    )
    return SourceModule(str(path.relative_to(REPOSITORY_ROOT)), name, text, ast.parse(text))
