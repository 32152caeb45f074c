"""Print the README's table of every ratio with a bar, from the newest results.

python -m bench.readme_table
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.report import RESULTS

REPORT_ORDER = (
    "fanout",
    "peers",
    "burst",
    "memory",
    "storm",
    "far_behind",
    "door",
    "latency",
    "pages",
    "pages_postgres",
    "start",
)


def main() -> None:
    """Print the table."""
    print("| | | lowest–highest | bar | |\n|---|---|---|---|---|")
    for part in REPORT_ORDER:
        file = RESULTS / f"{part}.json"
        if file.exists():
            print("\n".join(render_rows(file)))


def render_rows(file: Path) -> list[str]:
    """Render the rows of one part."""
    results = json.loads(file.read_text())
    return [
        _render_row(results["part"], each) for each in results.get("ratios", ()) if "bar" in each
    ]


def _render_row(part: str, figure: dict[str, Any]) -> str:
    sign = "≤" if figure["good"] == "below" else "≥"
    unit = f" {figure['unit']}".rstrip()
    spread = f"{figure['low']:.3g}–{figure['high']:.3g}"
    met = "met" if figure["met"] else "missed"
    value = f"{figure['value']:.3g}{unit}"
    return f"| {part}: {figure['what']} | {value} | {spread} | {sign} {figure['bar']:g} | {met} |"


if __name__ == "__main__":
    main()
