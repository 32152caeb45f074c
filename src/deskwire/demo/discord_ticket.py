"""Turn a conversation into the bot's events about one ticket, step by step, without times.

Pure: the same random numbers give the same ticket. The seeded history and the simulator's story
both consist of these; they differ only in the delay between steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from deskwire.demo.cast import NORTHWIND, PIXEL_FORGE, DiscordUser, Guild
from deskwire.demo.discord_conversations import (
    NORTHWIND_CONVERSATIONS,
    PIXEL_CONVERSATIONS,
    Conversation,
    Speaker,
)
from deskwire.integrations.discord.samples import build_sample_data, make_snowflake
from deskwire.kit.clock import Millis

CONVERSATIONS = {NORTHWIND.id: NORTHWIND_CONVERSATIONS, PIXEL_FORGE.id: PIXEL_CONVERSATIONS}

UPDATED_SHARE = 0.7  # of tickets get a priority and a tag once claimed
PENDING_SHARE = 0.3  # of the times the customer has to answer, the status becomes PENDING
NO_TEXT_SHARE = 0.12  # of messages come without their text, as some bots send them
ATTACHMENT_SHARE = 0.1  # of messages have attachments

# Fields of the sample that are replaced: by the script's text, and at the moment of sending.
_SET_WHEN_SENT = {"content", "messageId"}


class EventStep(NamedTuple):
    """One event of a ticket, without the fields that depend on the moment of sending."""

    type: str
    data: dict[str, Any]

    def data_at(self, sent_at: Millis) -> dict[str, Any]:
        """Return the event's data as sent at that moment (ms)."""
        if self.type != "ticket.message_sent":
            return self.data
        return self.data | {"messageId": make_snowflake(sent_at)}


class ConversationDeck:
    """Draw every conversation of a guild once, in random order, before any is repeated."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._remaining: dict[str, list[Conversation]] = {}

    def draw(self, guild: Guild) -> Conversation:
        """Return the next conversation for `guild`."""
        if not self._remaining.get(guild.id):
            conversations = CONVERSATIONS[guild.id]
            self._remaining[guild.id] = self._rng.sample(conversations, len(conversations))
        return self._remaining[guild.id].pop()


@dataclass(slots=True)
class TicketScript:
    """One ticket: its guild, opener and conversation. `ticket_id` and `number` are the bot's."""

    rng: Random
    guild: Guild
    ticket_id: int
    number: int
    conversation: Conversation
    opener: DiscordUser
    agent: DiscordUser
    thorough: bool = False  # take every kind of step, regardless of the shares
    _status: str = field(default="OPEN", init=False)
    _is_triaged: bool = field(default=False, init=False)

    def steps(self) -> Iterator[EventStep]:
        """Yield the events from opened to closed."""
        yield self._make_step("ticket.created", self.opener, subject=self.conversation.subject)
        lines = self.conversation.lines
        for index, (speaker, text) in enumerate(lines):
            if speaker == "staff":
                yield from self._claim_steps()
            elif self._status == "CLAIMED" and self._draw(PENDING_SHARE):
                yield self._status_step("ticket.status_changed", "PENDING")
            yield self._message_step(speaker, text)
            if self._status == "PENDING" and index + 1 < len(lines):
                yield self._status_step(
                    "ticket.status_changed", "OPEN", reason="The answer is here"
                )
        yield self._status_step("ticket.closed", "CLOSED", reason=self.conversation.closing_reason)

    def _claim_steps(self) -> Iterator[EventStep]:
        if self._status != "OPEN":
            return
        yield self._status_step("ticket.claimed", "CLAIMED")
        if not self._is_triaged and self._draw(UPDATED_SHARE):
            self._is_triaged = True
            changes: dict[str, object] = {"tags": {"added": [self.conversation.tag], "removed": []}}
            if self.conversation.priority != "normal":
                changes["priority"] = {"old": "normal", "new": self.conversation.priority}
            yield self._make_step("ticket.updated", self.agent, changes=changes)

    def _draw(self, share: float) -> bool:
        return self.thorough or self.rng.random() < share

    def _message_step(self, speaker: Speaker, text: str) -> EventStep:
        author = self.agent if speaker == "staff" else self.opener
        fields: dict[str, object] = {
            "messageType": speaker,
            "hasAttachments": self.rng.random() < ATTACHMENT_SHARE,
            "messageLength": len(text),
            "content": text,
        }
        if self.rng.random() < NO_TEXT_SHARE:
            del fields["content"]
        return self._make_step("ticket.message_sent", author, **fields)

    def _status_step(self, type_: str, new: str, **extra: str) -> EventStep:
        old, self._status = self._status, new
        return self._make_step(type_, self.agent, oldStatus=old, newStatus=new, **extra)

    def delete_step(self, reason: str) -> EventStep:
        """Build the event of the guild's owner deleting the ticket."""
        return self._make_step("ticket.deleted", self.guild.owner, reason=reason)

    def _make_step(self, type_: str, user: DiscordUser, **fields: object) -> EventStep:
        data = build_sample_data(
            type_,
            guild=self.guild.id,
            owner=user.id,
            user=user.id,
            username=user.name,
            ticket=self.ticket_id,
            number=self.number,
        )
        sample = {name: value for name, value in data.items() if name not in _SET_WHEN_SENT}
        return EventStep(type_, sample | fields)
