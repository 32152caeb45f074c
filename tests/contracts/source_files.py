"""What the contract tests read: the house's own files, as git tracks them, and their syntax."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/deskwire"


@dataclass(frozen=True)
class Module:
    """One Python file of ours. `name` is dotted, without the leading `deskwire.`."""

    path: str  # from the root
    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


@cache
def modules() -> tuple[Module, ...]:
    """Every module below src/deskwire."""
    return tuple(_module(path) for path in sorted(PACKAGE.rglob("*.py")))


@cache
def tracked() -> tuple[str, ...]:
    """Every file of the repository, or of the folder where there is no git."""
    asked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(name for name in asked.stdout.splitlines() if (ROOT / name).is_file())


def read(path: str) -> str:
    """A file of the repository as text; bytes that are none are replaced."""
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    return Module(str(path.relative_to(ROOT)), name, text, ast.parse(text))
