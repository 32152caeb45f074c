"""What the simulator remembers of its own story, so that a restart goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from deskwire.demo.cast import SEEDED_TICKETS
from deskwire.demo.discord_ticket import EventStep
from deskwire.kit.clock import SECOND, Millis

TICKET_ID_EPOCH: Millis = 1_767_225_600_000  # 2026-01-01T00:00:00Z; ticket ids count from here
FIRST_SCENE_DELAY = 8 * SECOND  # after the beginning; the first thing to be seen is a ticket


@dataclass(slots=True)
class StoryTicket:
    """One of the story's tickets, with the steps still to come (none: it is closed)."""

    guild: str
    ticket: int
    number: int
    steps: list[EventStep]


class ScheduledStep(NamedTuple):
    """What the story has to tell once `due` has come."""

    due: Millis
    step: EventStep


@dataclass(slots=True)
class StoryState:
    """`scene`: how many were played; `numbers`: the newest ticket's by guild."""

    next_scene: Millis
    scene: int = 0
    ticket: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: dict(SEEDED_TICKETS))
    running: list[StoryTicket] = field(default_factory=list)
    closed: list[StoryTicket] = field(default_factory=list)
    owed: list[ScheduledStep] = field(default_factory=list)

    def take_ticket_number(self, guild_id: str, at: Millis) -> tuple[int, int]:
        """The id and the number of a new ticket. Ids follow the clock: none is ever used twice."""
        self.ticket = max(self.ticket + 1, (at - TICKET_ID_EPOCH) // SECOND)
        self.numbers[guild_id] += 1
        return self.ticket, self.numbers[guild_id]

    def to_json(self) -> str:
        """For a file; `parse_memory` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)


def new_story_state(at: Millis) -> StoryState:
    """The memory of a story that begins at `at`, right after the demo's past."""
    return StoryState(next_scene=at + FIRST_SCENE_DELAY)


def new_unsaved_story_state(at: Millis) -> StoryState:
    """The same where nothing is kept: numbers follow the clock too, so none comes twice."""
    first = (at - TICKET_ID_EPOCH) // (
        10 * SECOND
    )  # a story opens fewer tickets than one in ten seconds
    return StoryState(
        next_scene=at + FIRST_SCENE_DELAY, numbers=dict.fromkeys(SEEDED_TICKETS, first)
    )


def parse_story_state(text: str) -> StoryState:
    """What `to_json` wrote. ValueError if it is anything else."""
    try:
        kept = json.loads(text)
        return StoryState(
            next_scene=int(kept["next_scene"]),
            scene=int(kept["scene"]),
            ticket=int(kept["ticket"]),
            numbers={guild: int(kept["numbers"][guild]) for guild in SEEDED_TICKETS},
            running=[_parse_story_ticket(each) for each in kept["running"]],
            closed=[_parse_story_ticket(each) for each in kept["closed"]],
            owed=[ScheduledStep(int(due), EventStep(*step)) for due, step in kept["owed"]],
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a memory of the simulator: {error!r}") from None


def _parse_story_ticket(stored: dict[str, Any]) -> StoryTicket:
    steps = [EventStep(*step) for step in stored["steps"]]
    return StoryTicket(stored["guild"], stored["ticket"], stored["number"], steps)
