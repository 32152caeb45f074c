"""How a ticket goes: one conversation as the bot would tell it, step by step, without times.

Pure: the same random numbers give the same ticket. The seeded past and the simulator's story are
made of these; they differ only in how long they wait between steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from deskwire.demo.cast import NORTHWIND, PIXEL_FORGE, Place, User
from deskwire.demo.discord_conversations import NORTHWIND_TALK, PIXEL_TALK, Conversation, Speaker
from deskwire.integrations.discord.samples import sample, snowflake
from deskwire.kit.clock import Millis

TALK = {NORTHWIND.id: NORTHWIND_TALK, PIXEL_FORGE.id: PIXEL_TALK}

SHARE_UPDATED = 0.7  # of tickets get a priority and a tag once somebody has claimed them
SHARE_PENDING = 0.3  # of the customer's answers are waited for with the status PENDING
SHARE_SILENT = 0.12  # of messages come without their text, as the sketch's bot sends them
SHARE_ATTACHED = 0.1  # of messages have attachments

_LATER = {"content", "messageId"}  # of a sample: ours come with the text and with the moment


class Step(NamedTuple):
    """One event of a ticket; what depends on the moment is added when it is told."""

    type: str
    data: dict[str, Any]

    def told_at(self, at: Millis) -> dict[str, Any]:
        """The event's data at that moment."""
        if self.type != "ticket.message_sent":
            return self.data
        return self.data | {"messageId": snowflake(at)}


class Deck:
    """Every conversation of a place once, in any order, before one comes again."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._left: dict[str, list[Conversation]] = {}

    def draw(self, place: Place) -> Conversation:
        """The next conversation for `place`."""
        if not self._left.get(place.id):
            talk = TALK[place.id]
            self._left[place.id] = self._rng.sample(talk, len(talk))
        return self._left[place.id].pop()


@dataclass(slots=True)
class Script:
    """One ticket: who opened it where, about what. `ticket` and `number` are the bot's own."""

    rng: Random
    place: Place
    ticket: int
    number: int
    talk: Conversation
    opener: User
    agent: User
    thorough: bool = False  # every kind of step is taken, whatever the shares say
    _status: str = field(default="OPEN", init=False)
    _sorted: bool = field(default=False, init=False)

    def steps(self) -> Iterator[Step]:
        """From opened to closed."""
        yield self._step("ticket.created", self.opener, subject=self.talk.subject)
        lines = self.talk.lines
        for index, (speaker, text) in enumerate(lines):
            if speaker == "staff":
                yield from self._taken_on()
            elif self._status == "CLAIMED" and self._happens(SHARE_PENDING):
                yield self._moved("ticket.status_changed", "PENDING")
            yield self._said(speaker, text)
            if self._status == "PENDING" and index + 1 < len(lines):
                yield self._moved("ticket.status_changed", "OPEN", reason="The answer is here")
        yield self._moved("ticket.closed", "CLOSED", reason=self.talk.reason)

    def _taken_on(self) -> Iterator[Step]:
        if self._status != "OPEN":
            return
        yield self._moved("ticket.claimed", "CLAIMED")
        if not self._sorted and self._happens(SHARE_UPDATED):
            self._sorted = True
            changes: dict[str, object] = {"tags": {"added": [self.talk.tag], "removed": []}}
            if self.talk.priority != "normal":
                changes["priority"] = {"old": "normal", "new": self.talk.priority}
            yield self._step("ticket.updated", self.agent, changes=changes)

    def _happens(self, share: float) -> bool:
        return self.thorough or self.rng.random() < share

    def _said(self, speaker: Speaker, text: str) -> Step:
        author = self.agent if speaker == "staff" else self.opener
        said: dict[str, object] = {
            "messageType": speaker,
            "hasAttachments": self.rng.random() < SHARE_ATTACHED,
            "messageLength": len(text),
            "content": text,
        }
        if self.rng.random() < SHARE_SILENT:
            del said["content"]
        return self._step("ticket.message_sent", author, **said)

    def _moved(self, type_: str, new: str, **why: str) -> Step:
        old, self._status = self._status, new
        return self._step(type_, self.agent, oldStatus=old, newStatus=new, **why)

    def deleted(self, reason: str) -> Step:
        """The ticket is thrown away, by the owner."""
        return self._step("ticket.deleted", self.place.owner, reason=reason)

    def _step(self, type_: str, who: User, **told: object) -> Step:
        data = sample(
            type_,
            guild=self.place.id,
            owner=who.id,
            user=who.id,
            username=who.name,
            ticket=self.ticket,
            number=self.number,
        )
        kept = {name: value for name, value in data.items() if name not in _LATER}
        return Step(type_, kept | told)
