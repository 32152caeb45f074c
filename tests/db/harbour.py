"""A running desk with the Harbour in it, open streams of the cast, and hands in its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.cast import ADA, ATTIC, BO, CY, HARBOUR, MO, ROLES, UNA, Actor
from tests.db.desk import Desk, running_desk
from tests.unit.fakes import Outlet

SUPPORT, GREETERS = ROLES["Tickets Support"], ROLES["Greeters"]
Heard = list[tuple[str, dict[str, Any]]]


class Harbour:
    """The Harbour with its people, each with an open stream, and a ticket of Bo's."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.streams: dict[Actor, Outlet] = {}
        self.people: dict[Actor, str] = {}
        self._read: dict[Actor, int] = {}

    async def begin(self) -> None:
        post = self.desk.post
        for guild, owner in ((HARBOUR, MO), (ATTIC, CY)):
            told: dict[str, Any] = {"guildName": "H", "ownerId": owner.discord, "memberCount": 9}
            await post("guild.joined", guildId=guild, **told)
        role: dict[str, Any] = {
            "roleId": SUPPORT,
            "roleName": "Tickets Support",
            "action": "assigned",
        }
        await post("team.member_assigned", **who(ADA), **role)
        await self.open_ticket(1, "The crane is stuck")
        await self.say(1, BO)
        await self.desk.command("guilds.permit", guild=HARBOUR, discord=UNA.discord, permissions=[])
        for actor in (ADA, BO, CY, MO, UNA):
            person = await self.desk.person(actor.name.split()[0].lower())
            email = f"{actor.name.split()[0].lower()}@example.org"
            await self.desk.command("people.link", email=email, discord=actor.discord)
            self.streams[actor] = await self.desk.open(person)
            self.people[actor] = person
            self._read[actor] = 0
        for actor in self.streams:
            self.heard(actor)

    async def open_ticket(self, number: int, subject: str, guild: str = HARBOUR) -> None:
        opener: dict[str, Any] = {"openerId": BO.discord, "openerUsername": BO.name}
        ticket: dict[str, Any] = {"guildId": guild, "ticketId": number, "ticketNumber": number}
        await self.desk.post("ticket.created", **ticket, subject=subject, **opener)

    async def say(self, number: int, actor: Actor, text: str = "It hurts") -> None:
        await self.desk.post(
            "ticket.message_sent",
            guildId=HARBOUR,
            ticketId=number,
            ticketNumber=number,
            messageId=str(self.desk.clock),
            authorId=actor.discord,
            authorUsername=actor.name,
            messageType="customer",
            hasAttachments=False,
            messageLength=len(text),
            content=text,
        )

    async def move(self, word: str, at: int | None = None) -> None:
        ticket: dict[str, Any] = {"guildId": HARBOUR, "ticketId": 1, "ticketNumber": 1}
        moved = {"oldStatus": "OPEN", "newStatus": word, "actorId": ADA.discord}
        await self.desk.post("ticket.status_changed", at=at, **ticket, **moved)

    def heard(self, actor: Actor) -> Heard:
        """What an open stream was written since the last time: types of events with their data,
        names of the rest."""
        stream = self.streams[actor]
        found = stream.frames[self._read[actor] :]
        self._read[actor] += len(found)
        told: Heard = []
        for name, frame in found:
            if name == "message":
                data: Any = frame.get("data", frame)
                told.append((str(frame["type"]), data))
            elif name != "tick":
                told.append((name, frame))
        return told

    def types(self, actor: Actor) -> list[str]:
        return [type_ for type_, _ in self.heard(actor)]

    def one(self, query: str) -> Any:
        return self.desk.db.read_here(lambda tx: tx.exec_driver_sql(query).one())

    def notes(self) -> list[Any]:
        query = "SELECT problem FROM outside_changes"
        return [
            row[0] for row in self.desk.db.read_here(lambda tx: tx.exec_driver_sql(query).all())
        ]


@asynccontextmanager
async def open_harbour(folder: Path) -> AsyncIterator[Harbour]:
    """The Harbour on a desk over a new database in `folder`."""
    async with running_desk(folder) as desk:
        built = Harbour(desk)
        await built.begin()
        yield built


def who(actor: Actor) -> dict[str, Any]:
    """Somebody in the Harbour, as the bot names them."""
    return {"guildId": HARBOUR, "userId": actor.discord, "username": actor.name}
