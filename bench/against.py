"""Measure this tree against another commit, in turns: `python -m bench --against COMMIT PART …`."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.arguments import Arguments
from bench.children import ComparisonError, exit_on_signals
from bench.comparison import Comparison, Result, Round, compare, format_table, to_json
from bench.machine import read_machine_facts
from bench.report import RESULTS
from bench.trees import Tree, checked_out, describe_current_tree, find_commit, git, require_clean

FILE = RESULTS / "against.json"


def measure_against(arguments: Arguments, commit: str) -> None:
    """Print a table of each part, and write bench/results/against.json; exit with 1 on failure."""
    try:
        with exit_on_signals():
            _measure(arguments, commit)
    except ComparisonError as problem:
        raise SystemExit(f"bench: {problem}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _measure(arguments: Arguments, name: str) -> None:
    require_clean()
    head, commit = find_commit("HEAD"), find_commit(name)
    print(f"this tree is {head}; setting up {commit} …", flush=True)
    with checked_out(commit) as other, tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        _require_parts(arguments.parts, other, scratch)
        comparisons: list[Comparison] = []
        for part in arguments.parts:
            turns = _take_turns(part, arguments.rounds, other, scratch)
            comparisons.append(compare(part, list(turns)))
            print(format_table(comparisons[-1], commit), flush=True)
            _save(comparisons, head, commit)  # after each part, so that an interrupt loses only one


def _require_parts(parts: Sequence[str], tree: Tree, scratch: Path) -> None:
    known = tree.list_parts(scratch)
    if missing := [part for part in parts if part not in known]:
        raise ComparisonError(f"{tree.name} has no part {missing[0]!r}; it has {', '.join(known)}")


def _take_turns(part: str, rounds: int, other: Tree, scratch: Path) -> Iterator[Round]:
    """Run the part three times a round; stop once a tree reports that it cannot measure it."""
    head, current = git("rev-parse", "HEAD"), describe_current_tree(scratch)
    for number in range(1, rounds + 1):
        runs = [_run(tree, part, number, rounds, scratch) for tree in (current, other, current)]
        _require_unchanged(head)
        yield Round(*runs)
        if any("not_measured" in run for run in runs):
            return


def _run(tree: Tree, part: str, number: int, rounds: int, scratch: Path) -> Result:
    began = time.monotonic()
    result = tree.measure(part, scratch)
    took = time.monotonic() - began
    print(f"{part}, round {number} of {rounds}: {tree.name}, {took:.0f} s", flush=True)
    return result


def _require_unchanged(head: str) -> None:
    require_clean()
    if git("rev-parse", "HEAD") != head:
        raise ComparisonError("this tree was moved to another commit during the measurement")


def _save(comparisons: Sequence[Comparison], head: str, commit: str) -> None:
    document = {
        "current": head,
        "against": commit,
        "parts": [to_json(each) for each in comparisons],
        "machine": read_machine_facts(),
    }
    RESULTS.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
