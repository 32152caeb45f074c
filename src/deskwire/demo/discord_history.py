"""Build the history of the demo's guilds: the events of the ten days before now.

Pure: the same random numbers and the same present give the same history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple

from deskwire.demo import guild_events
from deskwire.demo.cast import (
    GUILDS,
    NORTHWIND,
    SEEDED_TICKETS,
    SUNNY,
    DiscordUser,
    Guild,
    find_role,
)
from deskwire.demo.discord_ticket import ConversationDeck, EventStep, TicketScript
from deskwire.kit.clock import DAY, HOUR, MINUTE, SECOND, Millis

HISTORY_LENGTH = 10 * DAY  # ms
QUIET_PERIOD = 2 * MINUTE  # ms without events before now, so that live activity starts cleanly
RECENT_PERIOD = 2 * HOUR  # ms before now, so that the first screen is not of yesterday
RECENT_TICKETS = 4  # tickets of each guild are opened in RECENT_PERIOD
MEAN_STEP_INTERVAL = 22 * MINUTE  # ms between the steps of a ticket
STALLED_SHARE = 0.25  # of tickets stop half-way and stay open or waiting
THOROUGH_SHARE = 0.3  # of tickets take every kind of step
DELETED_SHARE = 0.08  # of closed tickets

GUS = DiscordUser("556677889900112233", "gus_was_here")  # left long ago


class SentEvent(NamedTuple):
    """One event of the bot, and when it was sent (ms)."""

    sent_at: Millis
    type: str
    data: dict[str, Any]


def build_history(rng: Random, until: Millis) -> list[SentEvent]:
    """Build all events up to `until` (ms), oldest first."""
    since = until - HISTORY_LENGTH
    events = [each for guild in GUILDS for each in _setup_events(guild, since)]
    events += _team_events(since)
    events += _ticket_events(rng, since + HOUR, until - QUIET_PERIOD)
    return sorted(events, key=lambda each: each.sent_at)


def _setup_events(guild: Guild, at: Millis) -> Iterator[SentEvent]:
    """Yield the bot's arrival, its set-up, and the creation and assignment of its roles."""
    yield _to_sent_event(at, guild_events.guild_joined(guild))
    yield _to_sent_event(at + MINUTE, guild_events.guild_set_up(guild))
    for nth, role in enumerate(guild.roles, 1):
        created_at = at + MINUTE + nth * SECOND
        yield _to_sent_event(created_at, guild_events.team_role_changed("created", guild, role))
        for index, user in enumerate(role.holders, 1):
            step = guild_events.team_member_changed("assigned", guild, role, user)
            yield _to_sent_event(created_at + MINUTE + index * 10 * SECOND, step)


def _team_events(since: Millis) -> Iterator[SentEvent]:
    support = find_role(NORTHWIND, "Tickets Support")
    yield _to_sent_event(
        since + 2 * DAY, guild_events.team_member_changed("assigned", NORTHWIND, support, SUNNY)
    )
    yield _to_sent_event(
        since + 3 * DAY, guild_events.team_role_changed("updated", NORTHWIND, support)
    )
    yield _to_sent_event(
        since + 5 * DAY, guild_events.team_member_changed("unassigned", NORTHWIND, support, SUNNY)
    )
    yield _to_sent_event(
        since + 6 * DAY, guild_events.member_left(NORTHWIND, GUS, was_team_member=False)
    )


def _ticket_events(rng: Random, since: Millis, until: Millis) -> Iterator[SentEvent]:
    """Yield the events of all guilds' tickets; ids count in the order of opening."""
    opened = [
        (rng.randrange(until - RECENT_PERIOD if nth < RECENT_TICKETS else since, until), guild)
        for guild in GUILDS
        for nth in range(SEEDED_TICKETS[guild.id])
    ]
    numbers = dict.fromkeys(SEEDED_TICKETS, 0)
    deck = ConversationDeck(rng)
    for ticket, (at, guild) in enumerate(sorted(opened, key=itemgetter(0)), 1):
        numbers[guild.id] += 1
        script = TicketScript(
            rng,
            guild,
            ticket,
            numbers[guild.id],
            deck.draw(guild),
            rng.choice(guild.customers),
            rng.choice(guild.staff),
            thorough=rng.random() < THOROUGH_SHARE,
        )
        yield from _events_before(rng, script, at, until)


def _events_before(
    rng: Random, script: TicketScript, at: Millis, until: Millis
) -> Iterator[SentEvent]:
    """Yield the steps of one ticket that happened before `until`."""
    steps = list(script.steps())
    if rng.random() < STALLED_SHARE:
        steps = steps[: _choose_stall_step(rng, steps)]
    elif rng.random() < DELETED_SHARE:
        steps.append(script.delete_step("Opened twice"))
    for nth, step in enumerate(steps):
        if at >= until:
            return
        yield _to_sent_event(at, step)
        pause = rng.expovariate(1 / MEAN_STEP_INTERVAL) if nth else rng.uniform(20, 60) * SECOND
        at += int(pause) + 5 * SECOND


def _choose_stall_step(rng: Random, steps: Sequence[EventStep]) -> int:
    """Choose after how many steps the ticket stops: where it waits for the customer, if it does."""
    for nth, step in enumerate(steps, 1):
        if step.data.get("newStatus") == "PENDING":
            return nth
    return rng.randrange(2, len(steps))


def _to_sent_event(at: Millis, step: EventStep) -> SentEvent:
    return SentEvent(at, step.type, step.data_at(at))
