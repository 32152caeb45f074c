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

_UNIT_MS: Mapping[str, Millis] = {"m": MINUTE, "h": HOUR, "d": DAY}
_ACTION_PATTERN = re.compile(
    rf"^@(\w+) (?:(\d+)([mhd]) )?({'|'.join(get_args(Verb))})\b ?", re.MULTILINE
)
_GROUPS_PER_ACTION = 5  # of an act, as `_ACT` splits them: its groups, and what follows


class Action(NamedTuple):
    """What somebody does in a request. `who`: the beginning of their address; `after`: ms."""

    username: str
    verb: Verb
    value: str = ""
    delay: Millis = 0


class RequestScript(NamedTuple):
    """A request from its filing to its end, or as far as it has come. `ago`: ms."""

    age: Millis
    company: str
    username: str
    category: str
    title: str
    text: str
    actions: tuple[Action, ...]


def parse_requests(text: str) -> tuple[RequestScript, ...]:
    """The matters of a text, in its order."""
    joined = text.replace("\\\n", "").strip()
    return tuple(_parse_request(block) for block in re.split(r"(?:\A|\n)# ", joined) if block)


def _parse_request(block: str) -> RequestScript:
    head, _, rest = block.partition("\n")
    ago, company, who, category, title = head.split(" | ")
    told, *parts = _ACTION_PATTERN.split(rest)
    acts = tuple(
        _parse_action(*parts[at : at + _GROUPS_PER_ACTION])
        for at in range(0, len(parts), _GROUPS_PER_ACTION)
    )
    return RequestScript(int(float(ago) * DAY), company, who, category, title, told.strip(), acts)


def _parse_action(
    username: str, number: str | None, unit: str | None, verb: str, value: str
) -> Action:
    after = int(number or 0) * _UNIT_MS[unit or "m"]
    return Action(username, cast("Verb", verb), value.strip(), after)
