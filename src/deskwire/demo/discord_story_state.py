"""Save and load the state of the simulator's story, so that a restart continues it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from deskwire.demo.cast import SEEDED_TICKETS
from deskwire.demo.discord_ticket import EventStep
from deskwire.kit.clock import SECOND, Millis

TICKET_ID_EPOCH: Millis = 1_767_225_600_000  # 2026-01-01T00:00:00Z; ticket ids count from here
FIRST_SCENE_DELAY = 8 * SECOND  # ms after the start; the first thing to see is a ticket


@dataclass(slots=True)
class StoryTicket:
    """One of the story's tickets, with the steps still to come (none: it is closed)."""

    guild: str
    ticket: int
    number: int
    steps: list[EventStep]


class ScheduledStep(NamedTuple):
    """An event to send once `due` (ms) has come."""

    due: Millis
    step: EventStep


@dataclass(slots=True)
class StoryState:
    """The state of the story.

    `scene`: how many scenes were played; `ticket`: the newest ticket's id; `numbers`: the newest
    ticket's number by guild; `scheduled`: events to send later.
    """

    next_scene: Millis
    scene: int = 0
    ticket: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: dict(SEEDED_TICKETS))
    running: list[StoryTicket] = field(default_factory=list)
    closed: list[StoryTicket] = field(default_factory=list)
    scheduled: list[ScheduledStep] = field(default_factory=list)

    def take_ticket_number(self, guild_id: str, at: Millis) -> tuple[int, int]:
        """Return the id and number of a new ticket. Ids follow the clock, so none is used twice."""
        self.ticket = max(self.ticket + 1, (at - TICKET_ID_EPOCH) // SECOND)
        self.numbers[guild_id] += 1
        return self.ticket, self.numbers[guild_id]

    def to_json(self) -> str:
        """Serialize for `parse_story_state`."""
        return json.dumps(asdict(self), ensure_ascii=False)


def new_story_state(at: Millis) -> StoryState:
    """Start a story at `at` (ms), right after the seeded history."""
    return StoryState(next_scene=at + FIRST_SCENE_DELAY)


def new_unsaved_story_state(at: Millis) -> StoryState:
    """Start a story that is not saved: numbers follow the clock too, so that none is reused."""
    # The story opens fewer tickets than one in ten seconds.
    first = (at - TICKET_ID_EPOCH) // (10 * SECOND)
    return StoryState(
        next_scene=at + FIRST_SCENE_DELAY, numbers=dict.fromkeys(SEEDED_TICKETS, first)
    )


def parse_story_state(text: str) -> StoryState:
    """Parse what `to_json` wrote. Raises ValueError if it is anything else."""
    try:
        stored = json.loads(text)
        return StoryState(
            next_scene=int(stored["next_scene"]),
            scene=int(stored["scene"]),
            ticket=int(stored["ticket"]),
            numbers={guild: int(stored["numbers"][guild]) for guild in SEEDED_TICKETS},
            running=[_parse_story_ticket(each) for each in stored["running"]],
            closed=[_parse_story_ticket(each) for each in stored["closed"]],
            scheduled=[
                ScheduledStep(int(due), EventStep(*step)) for due, step in stored["scheduled"]
            ],
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a state of the simulator: {error!r}") from None


def _parse_story_ticket(stored: dict[str, Any]) -> StoryTicket:
    steps = [EventStep(*step) for step in stored["steps"]]
    return StoryTicket(stored["guild"], stored["ticket"], stored["number"], steps)
