"""Parse the arguments of `python -m bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.comparison import DEFAULT_ROUNDS

MOST_ROUNDS = 50  # each takes every part three times

EPILOG = """\
--against checks COMMIT out into a temporary folder, with an environment of its own, and runs each
part in turns: this tree, COMMIT, this tree again. Only a ratio outside the spread of this tree
against itself (A/A) says something about the code. The table is kept in bench/results/against.json.
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What to measure, and what to compare it with."""

    parts: tuple[str, ...]
    against: str | None  # a commit, as git names it
    rounds: int
    into: Path | None  # where results go instead of bench/results


def parse_arguments(words: Sequence[str], known: Sequence[str]) -> Arguments:
    """Parse `words`, where `known` are the parts; print what is wrong and exit with 2."""
    parser = _make_parser(known)
    parsed = parser.parse_intermixed_args(words)
    if unknown := [name for name in parsed.parts if name not in known]:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(known)}")
    if parsed.against is None and parsed.rounds is not None:
        parser.error("--rounds goes with --against COMMIT; each part has its own number of rounds")
    if parsed.against is not None and parsed.into is not None:
        parser.error("--into does not go with --against, which writes into bench/results")
    if parsed.against is not None and not parsed.parts:
        parser.error("name the parts to compare: --against COMMIT door start")
    parts = tuple(dict.fromkeys(parsed.parts or known))
    return Arguments(parts, parsed.against, parsed.rounds or DEFAULT_ROUNDS, parsed.into)


def _make_parser(known: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Run the benchmarks; all parts if none is named.",
        epilog=EPILOG,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(known))
    parser.add_argument("--against", metavar="COMMIT", help="compare this tree with COMMIT")
    parser.add_argument(
        "--rounds",
        type=_parse_rounds,
        metavar="N",
        help=f"runs of each contestant with --against ({DEFAULT_ROUNDS})",
    )
    parser.add_argument(
        "--into", type=Path, metavar="FOLDER", help="write the results there, not to bench/results"
    )
    return parser


def _parse_rounds(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= MOST_ROUNDS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_ROUNDS}")
