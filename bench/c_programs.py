"""The two programs in C: the physical limit, and the thousands of readers. Built when needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "c"
FLAGS = ("-O2", "-std=gnu11", "-Wall")
COMPILERS = ("cc", "gcc", "clang")

NO_COMPILER = f"no C compiler for the readers: install one of {', '.join(COMPILERS)}"


def find_compiler() -> str | None:
    """The C compiler of this machine."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def build(name: str, folder: Path) -> str:
    """The path of the program made from `c/NAME.c`."""
    compiler = find_compiler()
    if compiler is None:
        raise LookupError(NO_COMPILER)
    program = folder / name
    if not program.exists():
        source = SOURCES / f"{name}.c"
        subprocess.run([compiler, *FLAGS, "-o", str(program), str(source)], check=True)
    return str(program)
