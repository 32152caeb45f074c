"""Build the two programs in C when needed: the physical limit, and the thousands of readers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE_FOLDER = Path(__file__).parent / "c"
COMPILER_FLAGS = ("-O2", "-std=gnu11", "-Wall")
COMPILER_NAMES = ("cc", "gcc", "clang")

NO_COMPILER_REASON = f"no C compiler for the readers: install one of {', '.join(COMPILER_NAMES)}"


def find_compiler() -> str | None:
    """Find the C compiler of this machine, or None."""
    return next(filter(None, map(shutil.which, COMPILER_NAMES)), None)


def build_program(name: str, folder: Path) -> str:
    """Build `c/NAME.c` into `folder` unless it is there; return the program's path."""
    compiler = find_compiler()
    if compiler is None:
        raise LookupError(NO_COMPILER_REASON)
    program = folder / name
    if not program.exists():
        source = SOURCE_FOLDER / f"{name}.c"
        subprocess.run([compiler, *COMPILER_FLAGS, "-o", str(program), str(source)], check=True)
    return str(program)
