"""The standing cast and the house it lives in: real tables, real actions, real payloads of the bot.

    Ada   staff      holds Tickets Support in the Harbour: sees every ticket there
    Bo    client     opens tickets in the Harbour and holds nothing
    Cy    outsider   has a server of his own, the Attic, and nothing to do with the Harbour
    Dee   revoked    held Tickets Support in the Harbour until it was taken away
    Eve   attacker   has an account, a linked Discord user, and no server at all

Mo owns the Harbour; Una holds a role there that shows her the server and no ticket. What accounts
need to come into being is in `House.move_in` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deskwire.accounts import identities, people
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.integrations.discord import translate
from deskwire.kit.clock import SECOND
from deskwire.server.services import ACCESS
from deskwire.webhooks.source import Delivery
from tests.databases import new_database

NOON = 1_795_348_800_000  # ms; 2026-11-22T12:00:00Z
HARBOUR = "700000000000000001"
ATTIC = "700000000000000002"
NOWHERE = "799999999999999999"  # no such guild
ROLES = {
    "Tickets Support": "600000000000000001",
    "Greeters": "600000000000000002",
    "Tickets Viewer": "600000000000000003",
    "Tickets Admin": "600000000000000004",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """One of the cast. Their person's id is only known in a house."""

    name: str
    discord: str

    @property
    def email(self) -> str:
        return f"{self.name.split()[0].lower()}@desk.test"


ADA = Actor("Ada Lindqvist", "900000000000000001")
BO = Actor("Bo Castellanos", "900000000000000002")
CY = Actor("Cy Okafor", "900000000000000003")
DEE = Actor("Dee Rosenthal", "900000000000000004")
EVE = Actor("Eve Mallory", "900000000000000005")
MO = Actor("Mo Harper", "900000000000000006")
UNA = Actor("Una Fairweather", "900000000000000007")
CAST = (ADA, BO, CY, DEE, EVE, MO, UNA)


class Bot:
    """What the bot tells, by the cast's names. `tell` says how it reaches the desk."""

    told = 0  # events so far

    def tell(self, type_: str, **data: Any) -> None:
        """The bot sends an event; `data` is the wire's own."""
        raise NotImplementedError

    def open_guild(self, guild: str, name: str, owner: Actor, members: int = 1200) -> None:
        self.tell(
            "guild.joined",
            guildId=guild,
            guildName=name,
            ownerId=owner.discord,
            memberCount=members,
        )

    def leave_guild(self, guild: str = HARBOUR) -> None:
        self.tell("guild.left", guildId=guild)

    def assign(self, actor: Actor, role: str = "Tickets Support", guild: str = HARBOUR) -> None:
        self.tell("team.member_assigned", **_membership("assigned", actor, role, guild))

    def unassign(self, actor: Actor, role: str = "Tickets Support", guild: str = HARBOUR) -> None:
        self.tell("team.member_unassigned", **_membership("unassigned", actor, role, guild))

    def role(self, type_: str, name: str = "Greeters", guild: str = HARBOUR) -> None:
        """A team role was made, changed or deleted."""
        role = {"guildId": guild, "roleId": ROLES[name], "roleName": name}
        self.tell(type_, **role, action=type_.partition("_")[2])

    def depart(self, actor: Actor, guild: str = HARBOUR) -> None:
        """Somebody left the server."""
        who = {"guildId": guild, "userId": actor.discord, "username": actor.name}
        self.tell("member.left", **who, hadOpenTickets=False, wasTeamMember=False)

    def open_ticket(
        self, number: int, subject: str, opener: Actor = BO, guild: str = HARBOUR
    ) -> None:
        self.tell(
            "ticket.created",
            **_ticket(guild, number),
            subject=subject,
            openerId=opener.discord,
            openerUsername=opener.name,
        )

    def claim(self, number: int, actor: Actor = ADA, guild: str = HARBOUR) -> None:
        self._move("ticket.claimed", "CLAIMED", number, actor, guild)

    def close(
        self, number: int, actor: Actor = ADA, guild: str = HARBOUR, reason: str = "Solved"
    ) -> None:
        self._move("ticket.closed", "CLOSED", number, actor, guild, reason=reason)

    def move(self, number: int, word: str, actor: Actor = ADA, guild: str = HARBOUR) -> None:
        self._move("ticket.status_changed", word, number, actor, guild)

    def change(self, number: int, actor: Actor = ADA, guild: str = HARBOUR, **changes: Any) -> None:
        told = {"changes": changes, "actorId": actor.discord}
        self.tell("ticket.updated", **_ticket(guild, number), **told)

    def delete(self, number: int, actor: Actor = MO, guild: str = HARBOUR) -> None:
        self.tell("ticket.deleted", **_ticket(guild, number), deletedBy=actor.discord)

    def say(
        self, number: int, actor: Actor, text: str | None, guild: str = HARBOUR, side: str = ""
    ) -> None:
        """Somebody writes; without a text the bot tells only that they did."""
        self.tell(
            "ticket.message_sent",
            **_ticket(guild, number),
            messageId=str(800_000_000_000_000_000 + self.told),
            authorId=actor.discord,
            authorUsername=actor.name,
            messageType=side or ("customer" if actor == BO else "staff"),
            hasAttachments=False,
            messageLength=len(text or "twelve signs"),
            **({} if text is None else {"content": text}),
        )

    def _move(
        self, type_: str, word: str, number: int, actor: Actor, guild: str, **more: Any
    ) -> None:
        words = {"oldStatus": "OPEN", "newStatus": word, "actorId": actor.discord}
        self.tell(type_, **_ticket(guild, number), **words, **more)


class House(Bot):
    """A database with people in it, to whom the bot tells what happens, a second apart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = new_database(folder)
        self.at = NOON
        self._ids: dict[Actor, PersonId] = {}

    def move_in(self, actor: Actor, *, linked: bool = True) -> PersonId:
        """Give an actor an account, linked to their Discord user."""
        person = self.db.write_here(people.create, name=actor.name, email=actor.email, at=self.at)
        self._ids[actor] = person.id
        if linked:
            self.db.write_here(
                identities.link, person.id, "discord", actor.discord, actor="shell", at=self.at
            )
        return person.id

    def id_of(self, actor: Actor) -> PersonId:
        return self._ids[actor]

    def viewer(self, actor: Actor) -> Viewer:
        """The actor with all they may hear now."""
        return self.db.read_here(ACCESS.read_viewer, self.id_of(actor))

    def tell(self, type_: str, **data: Any) -> None:
        self.told += 1
        self.at += SECOND
        body = {"event": {"type": type_, "data": data}, "timestamp": "2026-11-22T12:00:00Z"}
        self.db.write_here(translate.apply, Delivery(self.told, self.at, body))


def build(folder: Path) -> House:
    """The house as every story begins: two servers, everybody in their part, no ticket yet."""
    house = House(folder)
    for actor in CAST:
        house.move_in(actor)
    house.open_guild(HARBOUR, "The Harbour", MO)
    house.open_guild(ATTIC, "Cy’s Attic", CY, members=3)
    house.assign(ADA)
    house.assign(DEE)
    house.unassign(DEE)
    house.assign(UNA, "Greeters")  # a name without a preset: no permission
    return house


def _ticket(guild: str, number: int) -> dict[str, Any]:
    return {"guildId": guild, "ticketId": 1000 + number, "ticketNumber": number}


def _membership(action: str, actor: Actor, role: str, guild: str) -> dict[str, Any]:
    return {
        "guildId": guild,
        "userId": actor.discord,
        "username": actor.name,
        "roleId": ROLES[role],
        "roleName": role,
        "action": action,
    }
