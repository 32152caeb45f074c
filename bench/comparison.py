"""Compare the figures of two trees, and of one of them with itself.

The current tree runs twice in every round, before and after the other one. These two runs are the
same code, so their ratio (A/A) differs from 1 by chance alone: a ratio of the two trees inside the
A/A spread says nothing. Their mean is what the other tree is compared with, as a machine that
becomes slower during the round does not change that ratio.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import Any, NamedTuple

DEFAULT_ROUNDS = 5  # of 5, chance puts one figure in fifty outside; of 3, one in ten (simulated)
NOISY = 0.1  # share of all cores; where other processes use more, figures move on their own

WITHIN = "within the A/A spread"
OUTSIDE = "outside"
NO_RATIO = "no ratio"  # a value is zero or negative, and the other one is not the same

Result = Mapping[str, Any]  # what a part writes to results/NAME.json


class Round(NamedTuple):
    """The results of one part in one round."""

    current: Result
    other: Result
    again: Result  # the current tree a second time


class Label(NamedTuple):
    """The name and the unit of a figure, which identify it within its part."""

    what: str
    unit: str


@dataclass(frozen=True, slots=True)
class Spread:
    """A ratio: the median of the rounds, the lowest and the highest."""

    value: float
    low: float
    high: float

    def has(self, value: float) -> bool:
        """Return whether `value` lies between the lowest and the highest."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of both trees: medians of the rounds, and the ratios within each round."""

    what: str
    unit: str
    current: float
    other: float
    ratio: Spread | None  # current / other
    same: Spread | None  # A/A
    called_there: str | None = None  # its name in the other tree, where that differs

    @property
    def verdict(self) -> str:
        """`OUTSIDE` if the ratio is more than chance, else `WITHIN` or `NO_RATIO`."""
        if self.ratio is None or self.same is None:
            return NO_RATIO
        return WITHIN if self.same.has(self.ratio.value) else OUTSIDE


@dataclass(frozen=True, slots=True)
class Comparison:
    """One part of both trees."""

    part: str
    rounds: int
    rows: Sequence[Row]
    only_current: Sequence[str] = ()  # figures that only this tree has
    only_other: Sequence[str] = ()
    not_measured: str | None = None  # why, where there is nothing to compare
    others: float | None = None  # share of all cores used by other processes in the worst run


def compare(part: str, rounds: Sequence[Round]) -> Comparison:
    """Compare all figures that both trees have in every round."""
    results = [result for each in rounds for result in each]
    reasons = [each["not_measured"] for each in results if "not_measured" in each]
    shares = [each.get("share_of_machine_used_by_others") for each in results]
    others = max((share for share in shares if share is not None), default=None)
    if reasons:
        return Comparison(part, len(rounds), (), not_measured=reasons[0], others=others)
    current = _in_all([_figures(run) for each in rounds for run in (each.current, each.again)])
    other = _in_all([_figures(each.other) for each in rounds])
    pairs = pair_labels(current, other)
    return Comparison(
        part,
        len(rounds),
        [_row(label, other_label, rounds) for label, other_label in pairs.items()],
        [label.what for label in current if label not in pairs],
        [label.what for label in other if label not in pairs.values()],
        others=others,
    )


def pair_labels(current: Sequence[Label], other: Sequence[Label]) -> dict[Label, Label]:
    """Pair each figure of this tree with its counterpart in the other one.

    Figures are paired by name. A commit may have renamed some, so if both trees report equally many
    figures, those without a namesake are paired by position, provided that neither of the two has
    one and that their units are equal; the table then shows both names.
    """
    pairs = {label: label for label in current if label in other}
    if len(current) == len(other):
        for label, match in zip(current, other, strict=True):
            if label not in pairs and match not in current and label.unit == match.unit:
                pairs[label] = match
    return pairs


def divide(value: float, by: float) -> float | None:
    """Divide two figures; None where a zero or a negative one makes the ratio meaningless."""
    if value == by:
        return 1.0
    return value / by if value > 0 and by > 0 else None


def spread(ratios: Sequence[float | None]) -> Spread | None:
    """Return median, lowest and highest of the rounds; None if a round has no ratio."""
    known = [each for each in ratios if each is not None]
    if len(known) < len(ratios):
        return None
    return Spread(median(known), min(known), max(known))


def spread_of_same(ratios: Sequence[float | None]) -> Spread | None:
    """Return the A/A ratio, and how far it may lie from 1 in either direction.

    Which of two equal contestants is divided by the other is arbitrary, so each ratio counts with
    its reciprocal. Without that, chance would put one figure in seven outside, not one in fifty.
    """
    one_way = spread(ratios)
    if one_way is None:
        return None
    low, high = min(one_way.low, 1 / one_way.high), max(one_way.high, 1 / one_way.low)
    return Spread(one_way.value, low, high)


def format_table(comparison: Comparison, commit: str) -> str:
    """Format a comparison as a table; `commit` names the other tree."""
    lines = [f"\n{comparison.part}: this tree and {commit}, {comparison.rounds} rounds"]
    if comparison.not_measured is not None:
        return "\n".join([*lines, f"  not measured: {comparison.not_measured}"])
    heads = ("", "current", commit, "ratio", "low–high", "A/A", "low–high", "")
    cells = [heads, *map(_cells, comparison.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row, line in zip((None, *comparison.rows), cells, strict=True):
        lines.append(_align(line, widths))
        if row is not None and row.called_there is not None:
            lines.append(f"    paired by position; {commit} calls it: {row.called_there}")
    lines += [f"  only in this tree: {what}" for what in comparison.only_current]
    lines += [f"  only in {commit}: {what}" for what in comparison.only_other]
    if comparison.rounds < DEFAULT_ROUNDS:
        lines.append(
            f"  fewer than {DEFAULT_ROUNDS} rounds: chance alone puts many figures outside"
        )
    if comparison.others is not None:
        lines.append(_noise(comparison.others))
    return "\n".join(lines)


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Convert a comparison to the shape it has in results/against.json."""
    document = asdict(comparison)
    document["rows"] = [asdict(row) | {"verdict": row.verdict} for row in comparison.rows]
    document["share_of_machine_used_by_others"] = document.pop("others")
    return {name: _rounded(value) for name, value in document.items() if value is not None}


def _figures(result: Result) -> dict[Label, float]:
    figures = (*result.get("ratios", ()), *result.get("figures", ()))
    return {Label(each["what"], each["unit"]): float(each["value"]) for each in figures}


def _in_all(runs: Sequence[Mapping[Label, float]]) -> list[Label]:
    """List the figures that every run has, in the order of the first run."""
    return [label for label in runs[0] if all(label in run for run in runs)]


def _row(label: Label, other_label: Label, rounds: Sequence[Round]) -> Row:
    first = [_figures(each.current)[label] for each in rounds]
    again = [_figures(each.again)[label] for each in rounds]
    current = [mean(both) for both in zip(first, again, strict=True)]
    other = [_figures(each.other)[other_label] for each in rounds]
    return Row(
        label.what,
        label.unit,
        median(current),
        median(other),
        spread([divide(*each) for each in zip(current, other, strict=True)]),
        spread_of_same([divide(*each) for each in zip(again, first, strict=True)]),
        other_label.what if other_label != label else None,
    )


def _cells(row: Row) -> tuple[str, ...]:
    values = (f"{_short(value)} {row.unit}".rstrip() for value in (row.current, row.other))
    return (row.what, *values, *_ratio(row.ratio), *_ratio(row.same), row.verdict)


def _ratio(spread_: Spread | None) -> Iterator[str]:
    if spread_ is None:
        return iter(("–", "–"))
    return iter((f"{spread_.value:.3g} ×", f"{spread_.low:.3g}–{spread_.high:.3g}"))


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Pad a line of the table: the first and last cells on the right, the numbers on the left."""
    first, *numbers, last = cells
    padded = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return "   ".join([f"  {first.ljust(widths[0])}", *padded, last]).rstrip()


def _noise(share: float) -> str:
    used = f"other processes used up to {share:.0%} of the machine in a run"
    return f"  {used}: not quiet, run it again" if share > NOISY else f"  {used}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {name: _rounded(each) for name, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value
