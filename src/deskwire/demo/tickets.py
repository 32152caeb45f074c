"""Parse the scripts of the demo's requests: what a client asks for, and what people do about it.

    # 21 | Harbor Analytics | clara | Problem | Exports stop at 10,000 rows
    What it is about, of any number of lines.
    @tess 40m claim
    @tess 5m reply Thank you, Clara.
    @clara 2h send berths.csv Here is the file.

The number is the age in days; `40m` is the delay after the previous action (m, h, d). Both are for
the seeded history; live scenarios have a pace of their own. A backslash at the end of a line joins
it with the next.
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
_GROUPS_PER_ACTION = 5  # of `_ACTION_PATTERN`, and the text that follows it


class Action(NamedTuple):
    """One action on a request. `username`: local part of the email address; `delay`: ms."""

    username: str
    verb: Verb
    value: str = ""
    delay: Millis = 0


class RequestScript(NamedTuple):
    """A request from its creation to its end, or as far as it has come. `age`: ms."""

    age: Millis
    company: str
    username: str
    category: str
    title: str
    text: str
    actions: tuple[Action, ...]


def parse_requests(text: str) -> tuple[RequestScript, ...]:
    """Parse the requests of a text, in its order."""
    joined = text.replace("\\\n", "").strip()
    return tuple(_parse_request(block) for block in re.split(r"(?:\A|\n)# ", joined) if block)


def _parse_request(block: str) -> RequestScript:
    head, _, rest = block.partition("\n")
    days, company, username, category, title = head.split(" | ")
    text, *parts = _ACTION_PATTERN.split(rest)
    actions = tuple(
        _parse_action(*parts[at : at + _GROUPS_PER_ACTION])
        for at in range(0, len(parts), _GROUPS_PER_ACTION)
    )
    age = int(float(days) * DAY)
    return RequestScript(age, company, username, category, title, text.strip(), actions)


def _parse_action(
    username: str, number: str | None, unit: str | None, verb: str, value: str
) -> Action:
    delay = int(number or 0) * _UNIT_MS[unit or "m"]
    return Action(username, cast("Verb", verb), value.strip(), delay)
