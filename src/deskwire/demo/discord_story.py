"""The simulator's story: what happens next in the demo's servers, and after how long.

Pure: randomness and the time come in, nothing goes out but beats. What it takes away it owes, and
gives back; of the tickets it opens it closes all and in the end deletes all, so that after an hour
the demo looks as it did after a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from deskwire.demo import guild_events
from deskwire.demo.cast import (
    DEE,
    NIGHT_SHIFT,
    NORTHWIND,
    PIXEL_FORGE,
    QUILL,
    WILLOW_STREET,
    Place,
    role_of,
)
from deskwire.demo.discord_story_state import Memory, Owed, Running
from deskwire.demo.discord_ticket import Deck, Script, Step
from deskwire.integrations.discord.samples import sample
from deskwire.kit.clock import SECOND, Clock, Millis

FIRST = 500  # ms before the first beat: whoever has just opened the page is waiting
SHORTEST, LONGEST = 2 * SECOND, 5 * SECOND  # between beats; slower looks broken, faster unreal
TYPING = 25  # ms a character; a long message takes longer to come
RUNNING = 4  # conversations at once; a reader can follow that many
KEPT_CLOSED = 20  # tickets; older ones are deleted, or the lists would grow for ever
FIRST_SCENES = 30 * SECOND  # between scenes, so that everything was seen after three minutes
LATER_SCENES = 60 * SECOND  # between scenes once each was played
SHARE_OPENED = 0.25  # of the beats in which another conversation has room
SHARE_NORTHWIND = 0.7  # of tickets


class Beat(NamedTuple):
    """What happens next: after `delay` (ms), this event."""

    delay: Millis
    type: str
    data: dict[str, Any]


class Story:
    """Goes on from `memory`, which it keeps up to date; save that after each beat."""

    def __init__(self, rng: Random, clock: Clock, memory: Memory) -> None:
        self.memory = memory
        self._rng = rng
        self._clock = clock
        self._deck = Deck(rng)
        self._begun = False
        self._scenes: tuple[Callable[[Millis], Step], ...] = (
            self._guest_server,
            self._deputy,
            self._night_shift,
            self._absence,
            self._mistake,
        )

    def tell(self) -> Beat:
        """The next beat; it has happened as soon as it is told."""
        step = self._next(self._clock())
        delay = self._delay(step)
        return Beat(delay, step.type, step.told_at(self._clock() + delay))

    def _delay(self, step: Step) -> Millis:
        if not self._begun:
            self._begun = True
            return FIRST
        typing = TYPING * len(step.data.get("content", ""))
        return min(SHORTEST + typing + self._rng.randrange(SECOND), LONGEST)

    def _next(self, at: Millis) -> Step:
        memory = self.memory
        if not self._begun and not memory.running:
            return self._open(at)
        if memory.owed and memory.owed[0].due <= at:
            return memory.owed.pop(0).step
        if memory.next_scene <= at:
            return self._play(at)
        if len(memory.closed) > KEPT_CLOSED:
            return self._delete(memory.closed.pop(0), "Tidied up")
        has_room = len(memory.running) < RUNNING
        if not memory.running or (has_room and self._rng.random() < SHARE_OPENED):
            return self._open(at)
        return self._go_on()

    def _open(self, at: Millis) -> Step:
        place = NORTHWIND if self._rng.random() < SHARE_NORTHWIND else PIXEL_FORGE
        if not self._begun:
            place = NORTHWIND
        steps = list(self._script(place, at, thorough=not self._begun).steps())
        ticket, number = steps[0].data["ticketId"], steps[0].data["ticketNumber"]
        self.memory.running.append(Running(place.id, ticket, number, steps[1:]))
        return steps[0]

    def _go_on(self) -> Step:
        running = self.memory.running
        # The oldest goes on most often, so that stories end.
        ticket = self._rng.choices(running, weights=range(len(running), 0, -1))[0]
        step = ticket.steps.pop(0)
        if not ticket.steps:
            running.remove(ticket)
            self.memory.closed.append(ticket)
        return step

    def _delete(self, ticket: Running, reason: str) -> Step:
        place = NORTHWIND if ticket.guild == NORTHWIND.id else PIXEL_FORGE
        data = sample(
            "ticket.deleted",
            guild=place.id,
            owner=place.owner.id,
            ticket=ticket.ticket,
            number=ticket.number,
        )
        return Step("ticket.deleted", data | {"reason": reason})

    def _script(self, place: Place, at: Millis, *, thorough: bool = False) -> Script:
        ticket, number = self.memory.count(place.id, at)
        opener, agent = self._rng.choice(place.customers), self._rng.choice(place.staff)
        talk = self._deck.draw(place)
        return Script(self._rng, place, ticket, number, talk, opener, agent, thorough)

    def _play(self, at: Millis) -> Step:
        memory = self.memory
        scene = self._scenes[memory.scene % len(self._scenes)]
        memory.scene += 1
        first_round = memory.scene < len(self._scenes)
        memory.next_scene = at + (FIRST_SCENES if first_round else LATER_SCENES)
        return scene(at)

    def _guest_server(self, at: Millis) -> Step:
        """The bot is added to Ada's other server, set up, and removed again."""
        self._owe(at + 8 * SECOND, guild_events.set_up(WILLOW_STREET))
        self._owe(at + 75 * SECOND, guild_events.left(WILLOW_STREET))
        return guild_events.joined(WILLOW_STREET)

    def _deputy(self, at: Millis) -> Step:
        """Dee may see the tickets for a minute."""
        viewer = role_of(NORTHWIND, "Tickets Viewer")
        self._owe(at + 60 * SECOND, guild_events.member("unassigned", NORTHWIND, viewer, DEE))
        return guild_events.member("assigned", NORTHWIND, viewer, DEE)

    def _night_shift(self, at: Millis) -> Step:
        """A role comes, may do a little more, and goes."""
        self._owe(at + 12 * SECOND, guild_events.role("updated", NORTHWIND, NIGHT_SHIFT))
        self._owe(at + 40 * SECOND, guild_events.role("deleted", NORTHWIND, NIGHT_SHIFT))
        return guild_events.role("created", NORTHWIND, NIGHT_SHIFT)

    def _absence(self, at: Millis) -> Step:
        """Somebody of the team leaves the server, and is taken back."""
        viewer = role_of(NORTHWIND, "Tickets Viewer")
        self._owe(at + 25 * SECOND, guild_events.member("assigned", NORTHWIND, viewer, QUILL))
        return guild_events.gone(NORTHWIND, QUILL, of_team=True)

    def _mistake(self, at: Millis) -> Step:
        """A ticket opened by mistake is deleted at once."""
        script = self._script(NORTHWIND, at)
        self._owe(at + 8 * SECOND, script.deleted("Opened by mistake"))
        return next(script.steps())

    def _owe(self, due: Millis, step: Step) -> None:
        self.memory.owed.append(Owed(due, step))
        self.memory.owed.sort(key=lambda owed: owed.due)
