"""The demo's past: what happened in both servers during the ten days before now.

Pure: a random generator and the present come in, the same past comes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from random import Random
from typing import Any, NamedTuple

from deskwire.demo import guild_events
from deskwire.demo.cast import NORTHWIND, PLACES, SUNNY, TICKETS_EACH, Place, User, role_of
from deskwire.demo.discord_ticket import Deck, Script, Step
from deskwire.kit.clock import DAY, HOUR, MINUTE, SECOND, Millis

LENGTH = 10 * DAY
QUIET = 2 * MINUTE  # before now nothing happens any more, so that the present begins by itself
LATELY = 2 * HOUR  # before now, so that the first screen is not of yesterday
FRESH = 4  # tickets of each place are opened lately
PAUSE = 22 * MINUTE  # between the steps of a ticket, on average
SHARE_STALLED = 0.25  # of tickets nobody goes on with: they stay open or waiting
SHARE_THOROUGH = 0.3  # of tickets are waited for, sorted and all
SHARE_DELETED = 0.08  # of closed tickets

GUS = User("556677889900112233", "gus_was_here")  # left long ago


class Told(NamedTuple):
    """One event of the bot, and when it told it."""

    at: Millis
    type: str
    data: dict[str, Any]


def past(rng: Random, until: Millis) -> list[Told]:
    """Everything that happened, oldest first."""
    since = until - LENGTH
    told = [each for place in PLACES for each in _founding(place, since)]
    told += _team_life(since)
    told += _tickets(rng, since + HOUR, until - QUIET)
    return sorted(told, key=lambda each: each.at)


def _founding(place: Place, at: Millis) -> Iterator[Told]:
    """The bot arrives, sets itself up, makes its roles and gives them out."""
    yield _told(at, guild_events.joined(place))
    yield _told(at + MINUTE, guild_events.set_up(place))
    for nth, role in enumerate(place.roles, 1):
        moment = at + MINUTE + nth * SECOND
        yield _told(moment, guild_events.role("created", place, role))
        for later, user in enumerate(role.holders, 1):
            step = guild_events.member("assigned", place, role, user)
            yield _told(moment + MINUTE + later * 10 * SECOND, step)


def _team_life(since: Millis) -> Iterator[Told]:
    support = role_of(NORTHWIND, "Tickets Support")
    yield _told(since + 2 * DAY, guild_events.member("assigned", NORTHWIND, support, SUNNY))
    yield _told(since + 3 * DAY, guild_events.role("updated", NORTHWIND, support))
    yield _told(since + 5 * DAY, guild_events.member("unassigned", NORTHWIND, support, SUNNY))
    yield _told(since + 6 * DAY, guild_events.gone(NORTHWIND, GUS, of_team=False))


def _tickets(rng: Random, since: Millis, until: Millis) -> Iterator[Told]:
    """The tickets of all places in the order they were opened, as the bot counts them."""
    opened = [
        (rng.randrange(until - LATELY if nth < FRESH else since, until), place)
        for place in PLACES
        for nth in range(TICKETS_EACH[place.id])
    ]
    numbers = dict.fromkeys(TICKETS_EACH, 0)
    deck = Deck(rng)
    for ticket, (at, place) in enumerate(sorted(opened, key=itemgetter(0)), 1):
        numbers[place.id] += 1
        script = Script(
            rng,
            place,
            ticket,
            numbers[place.id],
            deck.draw(place),
            rng.choice(place.customers),
            rng.choice(place.staff),
            thorough=rng.random() < SHARE_THOROUGH,
        )
        yield from _lived(rng, script, at, until)


def _lived(rng: Random, script: Script, at: Millis, until: Millis) -> Iterator[Told]:
    """The steps of one ticket that were taken before `until`."""
    steps = list(script.steps())
    if rng.random() < SHARE_STALLED:
        steps = steps[: _stalls_at(rng, steps)]
    elif rng.random() < SHARE_DELETED:
        steps.append(script.deleted("Opened twice"))
    for nth, step in enumerate(steps):
        if at >= until:
            return
        yield _told(at, step)
        pause = rng.expovariate(1 / PAUSE) if nth else rng.uniform(20, 60) * SECOND
        at += int(pause) + 5 * SECOND


def _stalls_at(rng: Random, steps: Sequence[Step]) -> int:
    """After how many steps: most often where the customer is waited for."""
    for nth, step in enumerate(steps, 1):
        if step.data.get("newStatus") == "PENDING":
            return nth
    return rng.randrange(2, len(steps))


def _told(at: Millis, step: Step) -> Told:
    return Told(at, step.type, step.told_at(at))
