"""What the simulator remembers of its own story, so that a restart goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from deskwire.demo.cast import TICKETS_EACH
from deskwire.demo.discord_ticket import Step
from deskwire.kit.clock import SECOND, Millis

EPOCH: Millis = 1_767_225_600_000  # 2026-01-01T00:00:00Z; ticket ids are seconds since then
FIRST_SCENE = 8 * SECOND  # after the beginning; the first thing to be seen is a ticket


@dataclass(slots=True)
class Running:
    """One of the story's tickets, with the steps still to come (none: it is closed)."""

    guild: str
    ticket: int
    number: int
    steps: list[Step]


class Owed(NamedTuple):
    """What the story has to tell once `due` has come."""

    due: Millis
    step: Step


@dataclass(slots=True)
class Memory:
    """`scene`: how many were played; `numbers`: the newest ticket's by guild."""

    next_scene: Millis
    scene: int = 0
    ticket: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: dict(TICKETS_EACH))
    running: list[Running] = field(default_factory=list)
    closed: list[Running] = field(default_factory=list)
    owed: list[Owed] = field(default_factory=list)

    def count(self, guild: str, at: Millis) -> tuple[int, int]:
        """The id and the number of a new ticket. Ids follow the clock: none is ever used twice."""
        self.ticket = max(self.ticket + 1, (at - EPOCH) // SECOND)
        self.numbers[guild] += 1
        return self.ticket, self.numbers[guild]

    def to_json(self) -> str:
        """For a file; `parse_memory` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)


def begin_memory(at: Millis) -> Memory:
    """The memory of a story that begins at `at`, right after the demo's past."""
    return Memory(next_scene=at + FIRST_SCENE)


def begin_unremembered(at: Millis) -> Memory:
    """The same where nothing is kept: numbers follow the clock too, so none comes twice."""
    first = (at - EPOCH) // (10 * SECOND)  # a story opens fewer tickets than one in ten seconds
    return Memory(next_scene=at + FIRST_SCENE, numbers=dict.fromkeys(TICKETS_EACH, first))


def parse_memory(text: str) -> Memory:
    """What `to_json` wrote. ValueError if it is anything else."""
    try:
        kept = json.loads(text)
        return Memory(
            next_scene=int(kept["next_scene"]),
            scene=int(kept["scene"]),
            ticket=int(kept["ticket"]),
            numbers={guild: int(kept["numbers"][guild]) for guild in TICKETS_EACH},
            running=[_running(each) for each in kept["running"]],
            closed=[_running(each) for each in kept["closed"]],
            owed=[Owed(int(due), Step(*step)) for due, step in kept["owed"]],
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a memory of the simulator: {error!r}") from None


def _running(kept: dict[str, Any]) -> Running:
    steps = [Step(*step) for step in kept["steps"]]
    return Running(kept["guild"], kept["ticket"], kept["number"], steps)
