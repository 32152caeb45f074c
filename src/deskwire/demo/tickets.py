"""Requests of the demo's portal as texts: what somebody asks for, and what people do about it.

    # 21 | Harbor Analytics | clara | Problem | Exports stop at 10,000 rows
    What it is about, of any number of lines.
    @tess 40m claim
    @tess 5m reply Thank you, Clara.
    @clara 2h send berths.csv Here is the file.

The number is of days ago; `40m` is the time since what was before (m, h, d). Both are for the past;
what happens live has a pace of its own. A backslash at the end of a line goes on in the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, cast, get_args

from deskwire.kit.clock import DAY, HOUR, MINUTE, Millis

Verb = Literal["claim", "reply", "send", "note", "label", "priority", "status", "remove"]

_UNITS: Mapping[str, Millis] = {"m": MINUTE, "h": HOUR, "d": DAY}
_ACT = re.compile(rf"^@(\w+) (?:(\d+)([mhd]) )?({'|'.join(get_args(Verb))})\b ?", re.MULTILINE)
_PARTS = 5  # of an act, as `_ACT` splits them: its groups, and what follows


class Act(NamedTuple):
    """What somebody does in a request. `who`: the beginning of their address; `after`: ms."""

    who: str
    what: Verb
    value: str = ""
    after: Millis = 0


class Matter(NamedTuple):
    """A request from its filing to its end, or as far as it has come. `ago`: ms."""

    ago: Millis
    company: str
    who: str
    category: str
    title: str
    text: str
    acts: tuple[Act, ...]


def parse_matters(text: str) -> tuple[Matter, ...]:
    """The matters of a text, in its order."""
    joined = text.replace("\\\n", "").strip()
    return tuple(_matter(block) for block in re.split(r"(?:\A|\n)# ", joined) if block)


def _matter(block: str) -> Matter:
    head, _, rest = block.partition("\n")
    ago, company, who, category, title = head.split(" | ")
    told, *parts = _ACT.split(rest)
    acts = tuple(_act(*parts[at : at + _PARTS]) for at in range(0, len(parts), _PARTS))
    return Matter(int(float(ago) * DAY), company, who, category, title, told.strip(), acts)


def _act(who: str, number: str | None, unit: str | None, verb: str, value: str) -> Act:
    after = int(number or 0) * _UNITS[unit or "m"]
    return Act(who, cast("Verb", verb), value.strip(), after)
