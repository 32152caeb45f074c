"""Check that no blocking call runs in threads that everything in the process shares.

A call to a system that stopped answering keeps its thread, and in a shared pool takes it from all
others; at its end, the process waits for the threads of asyncio and anyio. `DaemonThreadPool` of
`kit/threads.py` has neither fault.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.contracts.source_files import list_modules

SHARED_POOLS = frozenset(
    {"to_thread", "run_sync", "run_in_threadpool"}
)  # asyncio, anyio, starlette
ADVICE = "use a DaemonThreadPool (kit/threads.py), one for each kind of work"


def test_no_call_uses_a_shared_thread_pool() -> None:
    found = [
        f"{module.name}:{line}: {what}"
        for module in list_modules()
        for line, what in find_shared_pools(module.tree)
    ]

    assert found == [], ADVICE


@pytest.mark.parametrize(
    "source",
    [
        "await asyncio.to_thread(f)",
        "import anyio.to_thread",
        "from anyio.to_thread import run_sync",
        "from starlette.concurrency import run_in_threadpool",
        "loop.run_in_executor(None, f)",
    ],
)
def test_the_check_finds_every_shared_thread_pool(source: str) -> None:
    assert list(find_shared_pools(ast.parse(source, mode="exec")))


def find_shared_pools(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name) if SHARED_POOLS & set(
                name.split(".")
            ):
                yield node.lineno, name
            case ast.ImportFrom(module=str(name)) if SHARED_POOLS & set(name.split(".")):
                yield node.lineno, name
            case ast.Call(
                func=ast.Attribute(attr="run_in_executor"), args=[ast.Constant(value=None), *_]
            ):
                yield node.lineno, "run_in_executor(None, …)"
