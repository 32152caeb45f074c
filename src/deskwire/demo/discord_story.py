"""Choose what happens next in the demo's guilds, and after what delay.

Pure: randomness and the time come in, only beats go out. Whatever a scene takes away is scheduled
to be given back, and every ticket the story opens is closed and finally deleted, so that after an
hour the demo looks as it did after a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from deskwire.demo import guild_events
from deskwire.demo.cast import (
    DEE,
    NIGHT_SHIFT_ROLE,
    NORTHWIND,
    PIXEL_FORGE,
    QUILL,
    WILLOW_STREET,
    Guild,
    find_role,
)
from deskwire.demo.discord_story_state import ScheduledStep, StoryState, StoryTicket
from deskwire.demo.discord_ticket import ConversationDeck, EventStep, TicketScript
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.kit.clock import SECOND, Clock, Millis

FIRST_BEAT_DELAY = 500  # ms before the first beat: a visitor who just opened the page is waiting
MIN_BEAT_DELAY, MAX_BEAT_DELAY = 2 * SECOND, 5 * SECOND  # ms; slower looks broken, faster unreal
TYPING_DELAY = 25  # ms per character; long messages take longer
MAX_OPEN_TICKETS = 4  # conversations at once; a reader can follow that many
MAX_CLOSED_TICKETS = 20  # tickets; older ones are deleted, so that lists do not grow forever
FIRST_SCENE_INTERVAL = 30 * SECOND  # ms between scenes; all are played within three minutes
SCENE_INTERVAL = 60 * SECOND  # ms between scenes once each was played
NEW_TICKET_PROBABILITY = 0.25  # share of beats that open a ticket, while there is room
NORTHWIND_SHARE = 0.7  # of tickets


class Beat(NamedTuple):
    """The next event, and the delay before it (ms)."""

    delay: Millis
    type: str
    data: dict[str, Any]


class Story:
    """Choose beats and keep `state` up to date; save the state after each beat."""

    def __init__(self, rng: Random, clock: Clock, state: StoryState) -> None:
        self.state = state
        self._rng = rng
        self._clock = clock
        self._deck = ConversationDeck(rng)
        self._has_begun = False
        self._scenes: tuple[Callable[[Millis], EventStep], ...] = (
            self._scene_guest_server,
            self._scene_temporary_viewer,
            self._scene_night_shift_role,
            self._scene_member_leaves,
            self._scene_mistaken_ticket,
        )

    def next_beat(self) -> Beat:
        """Choose the next beat; `state` already includes it."""
        step = self._next_step(self._clock())
        delay = self._choose_delay(step)
        return Beat(delay, step.type, step.data_at(self._clock() + delay))

    def _choose_delay(self, step: EventStep) -> Millis:
        if not self._has_begun:
            self._has_begun = True
            return FIRST_BEAT_DELAY
        typing = TYPING_DELAY * len(step.data.get("content", ""))
        return min(MIN_BEAT_DELAY + typing + self._rng.randrange(SECOND), MAX_BEAT_DELAY)

    def _next_step(self, at: Millis) -> EventStep:
        state = self.state
        if not self._has_begun and not state.running:
            return self._open_ticket(at)
        if state.scheduled and state.scheduled[0].due <= at:
            return state.scheduled.pop(0).step
        if state.next_scene <= at:
            return self._play_scene(at)
        if len(state.closed) > MAX_CLOSED_TICKETS:
            return self._delete_ticket_step(state.closed.pop(0), "Tidied up")
        has_room = len(state.running) < MAX_OPEN_TICKETS
        if not state.running or (has_room and self._rng.random() < NEW_TICKET_PROBABILITY):
            return self._open_ticket(at)
        return self._continue_ticket()

    def _open_ticket(self, at: Millis) -> EventStep:
        guild = NORTHWIND if self._rng.random() < NORTHWIND_SHARE else PIXEL_FORGE
        if not self._has_begun:
            guild = NORTHWIND
        steps = list(self._make_script(guild, at, thorough=not self._has_begun).steps())
        ticket, number = steps[0].data["ticketId"], steps[0].data["ticketNumber"]
        self.state.running.append(StoryTicket(guild.id, ticket, number, steps[1:]))
        return steps[0]

    def _continue_ticket(self) -> EventStep:
        running = self.state.running
        # The oldest is continued most often, so that tickets end.
        ticket = self._rng.choices(running, weights=range(len(running), 0, -1))[0]
        step = ticket.steps.pop(0)
        if not ticket.steps:
            running.remove(ticket)
            self.state.closed.append(ticket)
        return step

    def _delete_ticket_step(self, ticket: StoryTicket, reason: str) -> EventStep:
        guild = NORTHWIND if ticket.guild == NORTHWIND.id else PIXEL_FORGE
        data = build_sample_data(
            "ticket.deleted",
            guild=guild.id,
            owner=guild.owner.id,
            ticket=ticket.ticket,
            number=ticket.number,
        )
        return EventStep("ticket.deleted", data | {"reason": reason})

    def _make_script(self, guild: Guild, at: Millis, *, thorough: bool = False) -> TicketScript:
        ticket, number = self.state.take_ticket_number(guild.id, at)
        opener, agent = self._rng.choice(guild.customers), self._rng.choice(guild.staff)
        conversation = self._deck.draw(guild)
        return TicketScript(self._rng, guild, ticket, number, conversation, opener, agent, thorough)

    def _play_scene(self, at: Millis) -> EventStep:
        state = self.state
        scene = self._scenes[state.scene % len(self._scenes)]
        state.scene += 1
        first_round = state.scene < len(self._scenes)
        state.next_scene = at + (FIRST_SCENE_INTERVAL if first_round else SCENE_INTERVAL)
        return scene(at)

    def _scene_guest_server(self, at: Millis) -> EventStep:
        """The bot is added to Ada's other server, set up, and removed again."""
        self._schedule(at + 8 * SECOND, guild_events.guild_set_up(WILLOW_STREET))
        self._schedule(at + 75 * SECOND, guild_events.guild_left(WILLOW_STREET))
        return guild_events.guild_joined(WILLOW_STREET)

    def _scene_temporary_viewer(self, at: Millis) -> EventStep:
        """Dee may see the tickets for a minute."""
        viewer = find_role(NORTHWIND, "Tickets Viewer")
        self._schedule(
            at + 60 * SECOND, guild_events.team_member_changed("unassigned", NORTHWIND, viewer, DEE)
        )
        return guild_events.team_member_changed("assigned", NORTHWIND, viewer, DEE)

    def _scene_night_shift_role(self, at: Millis) -> EventStep:
        """A role is created, updated and deleted."""
        self._schedule(
            at + 12 * SECOND, guild_events.team_role_changed("updated", NORTHWIND, NIGHT_SHIFT_ROLE)
        )
        self._schedule(
            at + 40 * SECOND, guild_events.team_role_changed("deleted", NORTHWIND, NIGHT_SHIFT_ROLE)
        )
        return guild_events.team_role_changed("created", NORTHWIND, NIGHT_SHIFT_ROLE)

    def _scene_member_leaves(self, at: Millis) -> EventStep:
        """A member of the team leaves the server and gets their role back."""
        viewer = find_role(NORTHWIND, "Tickets Viewer")
        self._schedule(
            at + 25 * SECOND, guild_events.team_member_changed("assigned", NORTHWIND, viewer, QUILL)
        )
        return guild_events.member_left(NORTHWIND, QUILL, was_team_member=True)

    def _scene_mistaken_ticket(self, at: Millis) -> EventStep:
        """A ticket opened by mistake is deleted at once."""
        script = self._make_script(NORTHWIND, at)
        self._schedule(at + 8 * SECOND, script.delete_step("Opened by mistake"))
        return next(script.steps())

    def _schedule(self, due: Millis, step: EventStep) -> None:
        self.state.scheduled.append(ScheduledStep(due, step))
        self.state.scheduled.sort(key=lambda step: step.due)
