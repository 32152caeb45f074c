"""Report figures: a part of a run, its table on the terminal, and its file in `results/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its spread over the rounds, and the bar it has to meet, if any."""

    what: str
    value: float
    unit: str  # "×" for ratios
    low: float
    high: float
    bar: float | None = None
    good: Literal["below", "above"] = "below"

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.good == "below" else self.value >= self.bar


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one part: ratios, which hold on other machines, and figures, which do not."""

    name: str
    method: str
    ratios: list[Figure]
    figures: list[Figure] = field(default_factory=list)
    noise_share: float | None = None  # share of all cores used by processes not of this run
    not_measured: str | None = None  # the reason, if there are no results
    notes: list[str] = field(default_factory=list)  # what was left out, and why


def figure_of_rounds(
    what: str,
    values: Sequence[float],
    unit: str,
    bar: float | None = None,
    good: Literal["below", "above"] = "below",
) -> Figure:
    """Build a figure from the median, minimum and maximum of the rounds."""
    return Figure(what, median(values), unit, min(values), max(values), bar, good)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def render_report(part: Report) -> str:
    """Render the part as lines of the table."""
    lines = [f"\n{part.name}: {part.method}"]
    if part.not_measured is not None:
        return "\n".join([*lines, f"  not measured: {part.not_measured}"])
    lines += [_render_line(each) for each in (*part.ratios, *part.figures)]
    lines += [f"  left out: {note}" for note in part.notes]
    if part.noise_share is not None:
        lines.append(f"  other processes used {part.noise_share:.0%} of the machine meanwhile")
    return "\n".join(lines)


def save_report(part: Report, machine: dict[str, object], folder: Path = RESULTS) -> None:
    """Write the part to `results/NAME.json`."""
    folder.mkdir(exist_ok=True)
    document = {
        "part": part.name,
        "how": part.method,
        "not_measured": part.not_measured,
        "left_out": part.notes,
        "ratios": [_figure_fields(each) for each in part.ratios],
        "figures": [_figure_fields(each) for each in part.figures],
        "share_of_machine_used_by_others": _rounded(part.noise_share),
        "machine": machine,
    }
    results = {name: value for name, value in document.items() if value not in (None, [])}
    text = json.dumps(results, indent=2, ensure_ascii=False)
    (folder / f"{part.name}.json").write_text(text + "\n")


def _figure_fields(figure: Figure) -> dict[str, object]:
    fields = asdict(figure) | {"met": figure.is_met}
    if figure.bar is None:
        del fields["bar"], fields["good"], fields["met"]
    return {k: _rounded(v) if isinstance(v, float) else v for k, v in fields.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _render_line(figure: Figure) -> str:
    value = f"{_format_number(figure.value)} {figure.unit}"
    spread = f"{_format_number(figure.low)}–{_format_number(figure.high)}" if figure.high else ""
    return f"  {figure.what:<62} {value:>12}   {spread:>15}   {_render_verdict(figure)}".rstrip()


def _render_verdict(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    sign = "≤" if figure.good == "below" else "≥"
    return f"bar {sign} {figure.bar:g}: {'met' if figure.is_met else 'MISSED'}"


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
