"""Check the access matrix of guilds: who may see what, through every way of reading it.

A cell that differs between live, replay, list, URL, search and fragment is a leak or a loss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from deskwire.accounts import people
from deskwire.events import channels, log
from deskwire.events.types.registry import PersonChanged
from deskwire.tickets.tables import tickets
from deskwire.workspaces.organizations.staff import upsert_staff_row
from tests.fixtures.cast import (
    ADA,
    ATTIC_GUILD,
    BO,
    CAST,
    CY,
    DEE,
    EVE,
    HARBOUR_GUILD,
    MO,
    UNA,
    DeskFixture,
    Persona,
    create_desk,
)
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.stream_recorder import StreamRecorder

SERVER = ("live", "replay", "list", "address", "fragment")
TICKET = ("live", "replay", "list", "address", "search", "fragment")
EVENT = ("live", "replay")

# The one matrix. Viewers that are not named see nothing of it, in any way.
#   Ada holds Tickets Support in the Harbour and is employed here; Mo owns the Harbour; Una has a
#   role there without a permission; Bo and Cy opened a ticket each; Cy owns the Attic; Dee had
#   Ada's role until it was taken away; Eve has nothing.
MATRIX: dict[str, tuple[tuple[str, ...], set[Persona]]] = {
    "the Harbour": (SERVER, {ADA, MO, UNA}),
    "Bo's ticket in the Harbour": (TICKET, {ADA, MO, BO}),
    "Cy's ticket in the Harbour": (TICKET, {ADA, MO, CY}),
    "a ticket in the Harbour whose opener has no account": (TICKET, {ADA, MO}),
    "the Attic": (SERVER, {CY}),
    "a ticket in the Attic": (TICKET, {CY}),
    "Bo's own channel": (EVENT, {BO}),
    "what is for staff": (EVENT, {ADA}),
    "what is told of everybody": (EVENT, set()),  # Ada is an analyst; see the portal's matrix
    "an organization nobody belongs to": (EVENT, set()),
}
CELLS = [(thing, way) for thing, (ways, _) in MATRIX.items() for way in ways]


@dataclass(frozen=True)
class Ticket:
    guild: str
    number: int
    word: str  # of its subject


SERVERS = {"the Harbour": HARBOUR_GUILD, "the Attic": ATTIC_GUILD}
TICKETS = {
    "Bo's ticket in the Harbour": Ticket(HARBOUR_GUILD, 1, "crane"),
    "Cy's ticket in the Harbour": Ticket(HARBOUR_GUILD, 2, "container"),
    "a ticket in the Harbour whose opener has no account": Ticket(HARBOUR_GUILD, 3, "lighthouse"),
    "a ticket in the Attic": Ticket(ATTIC_GUILD, 1, "squeak"),
}
STRANGER = Persona("Sam Stranger", "900000000000000099")


@pytest.mark.parametrize(("thing", "way"), CELLS)
def test_exactly_the_listed_people_see_it(
    access_probe: GuildAccessProbe, thing: str, way: str
) -> None:
    meant = {actor.name for actor in MATRIX[thing][1]}

    assert access_probe.by(thing, way) == meant, (
        f"{thing} by {way}: if that is meant, edit MATRIX in this file; if not, "
        "src/deskwire/workspaces/guilds/grants.py and the `visible_to` of the domains decide"
    )


@pytest.mark.parametrize("thing", [*SERVERS, *TICKETS])
def test_a_signed_out_visitor_sees_nothing(access_probe: GuildAccessProbe, thing: str) -> None:
    for address in access_probe.addresses(thing):
        answer = open_browser(access_probe.site).get(address)
        assert (answer.status_code, answer.text) == (303, "")


def test_the_whole_cast_but_dee_and_eve_is_in_the_matrix() -> None:
    named = {actor for _, actors in MATRIX.values() for actor in actors}

    assert set(CAST) - named == {DEE, EVE}


class GuildAccessProbe:
    """A desk after one of every event, and what each stream has received."""

    def __init__(self, desk: DeskFixture) -> None:
        self.desk = desk
        self.site = SiteFixture(desk)
        self.crowd = StreamRecorder(desk)

    def by(self, thing: str, way: str) -> set[str]:
        """The names of those who see `thing` in one way."""
        return {actor.name for actor in CAST if self._sees(actor, thing, way)}

    def _sees(self, persona: Persona, thing: str, way: str) -> bool:
        if way in EVENT:
            return self.crowd.has_heard(persona, thing, way)
        if thing in SERVERS:
            return self._sees_server(persona, SERVERS[thing], way)
        return self._sees_ticket(persona, TICKETS[thing], way)

    def _sees_server(self, persona: Persona, guild: str, way: str) -> bool:
        match way:
            case "list":
                return f'data-row="guild:{guild}"' in self._get(persona, "/guilds")
            case "fragment":
                part = self._get(persona, f"/guilds/{guild}", fragment="overview")
                return f'data-held="guild:{guild}"' in part
            case _:
                return f'data-held="guild:{guild}"' in self._get(persona, f"/guilds/{guild}")

    def _sees_ticket(self, persona: Persona, ticket: Ticket, way: str) -> bool:
        id_ = self.desk.db.read_sync(_id_of, ticket)
        index = f"/guilds/{ticket.guild}/tickets"
        match way:
            case "list":
                return f'data-row="ticket:{id_}"' in self._get(persona, index)
            case "search":
                return f'data-row="ticket:{id_}"' in self._get(persona, f"{index}?q={ticket.word}")
            case "fragment":
                part = self._get(persona, f"{index}/{ticket.number}", fragment="ticket")
                row = self._get(persona, index, fragment="ticket-list")
                assert (f'data-ticket="{id_}"' in part) == (f"ticket:{id_}" in row)
                return ticket.word in part
            case _:
                return f'data-ticket="{id_}"' in self._get(persona, f"{index}/{ticket.number}")

    def addresses(self, thing: str) -> list[str]:
        if thing in SERVERS:
            return ["/guilds", f"/guilds/{SERVERS[thing]}"]
        ticket = TICKETS[thing]
        index = f"/guilds/{ticket.guild}/tickets"
        return [index, f"{index}?q={ticket.word}", f"{index}/{ticket.number}"]

    def _get(self, persona: Persona, address: str, fragment: str = "") -> str:
        headers = {"x-deskwire-fragment": fragment} if fragment else {}
        asked = f"{address}?fragment={fragment}" if fragment else address
        return open_browser(self.site, persona).get(asked, headers=headers).text

    def stream(self) -> None:
        asyncio.run(self.crowd.record(self._happen))

    def _happen(self) -> None:
        for thing, guild in SERVERS.items():
            self.desk.send_event("guild.setup_complete", guildId=guild)
            self.crowd.record_position(thing)
        for thing, ticket in TICKETS.items():
            self.desk.post_message(ticket.number, STRANGER, "Anything new?", guild=ticket.guild)
            self.crowd.record_position(thing)
        self.desk.db.write_sync(people.update_person_row, self.desk.person_id(BO), name=BO.name)
        self.crowd.record_position("Bo's own channel")
        for thing, channel in (
            ("what is for staff", channels.STAFF_CHANNEL),
            ("what is told of everybody", channels.PEOPLE_CHANNEL),
            ("an organization nobody belongs to", channels.organization("none")),
        ):
            self.desk.db.write_sync(_say_on, channel)
            self.crowd.record_position(thing)


@pytest.fixture(scope="module")
def access_probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuildAccessProbe]:
    desk = create_desk(Path(tmp_path_factory.mktemp("matrix")))
    desk.db.write_sync(upsert_staff_row, desk.person_id(ADA), "support_analyst", desk.now)
    desk.open_ticket(1, "The crane is stuck")
    desk.open_ticket(2, "Where is my container?", CY)
    desk.open_ticket(3, "The lighthouse is dark", STRANGER)
    desk.open_ticket(1, "There is a squeak", STRANGER, guild=ATTIC_GUILD)
    found = GuildAccessProbe(desk)
    found.stream()
    yield found
    desk.db.close()


def _say_on(tx: Connection, channel: str) -> None:
    event = PersonChanged(actor="shell", person="-", name="-", revision=1)
    log.append(tx, event, channels=[channel])


def _id_of(tx: Connection, ticket: Ticket) -> str:
    here = tickets.c.workspace == channels.guild(ticket.guild)
    chosen = select(tickets.c.id).where(here, tickets.c.number == ticket.number)
    return str(tx.execute(chosen).scalar_one())
