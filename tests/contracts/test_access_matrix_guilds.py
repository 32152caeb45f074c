"""Check the access matrix of guilds: who may see what, through every way of reading it.

A cell that differs between live, replay, list, URL, search, fragment and API is a leak or a loss.
API keys are viewers like people, in every way whose URL accepts keys: no page does.
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
from tests.fixtures.key_viewers import (
    ANALYST_KEY_OF_DESK,
    KEY_OF_ATTIC,
    KEY_OF_BOT,
    KEY_OF_DESK,
    KEY_OF_HARBOUR,
    KEY_VIEWERS,
    LIVE_KEYS,
    PLAIN_KEY_OF_HARBOUR,
    VIEWERS,
    KeysByViewer,
    KeyViewer,
    Viewer,
    accepts_keys,
    create_keys,
    open_program,
)
from tests.fixtures.portal import create_portal
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.stream_recorder import StreamRecorder

SERVER = ("live", "replay", "list", "address", "fragment", "api")
TICKET = ("live", "replay", "list", "address", "search", "fragment", "api")
EVENT = ("live", "replay")
SERVER_PATHS = {"list": "/guilds", "api": "/api/guilds/{guild}"}  # others: one page
TICKET_PATHS = {
    "list": "/guilds/{guild}/tickets",
    "search": "/guilds/{guild}/tickets",
    "api": "/api/guilds/{guild}/tickets/{number}",
}

# The one matrix. Viewers that are not named see nothing of it, in any way.
#   Ada holds Tickets Support in the Harbour and is employed here; Mo owns the Harbour; Una has a
#   role there without a permission; Bo and Cy opened a ticket each; Cy owns the Attic; Dee had
#   Ada's role until it was taken away; Eve has nothing.
#   A key of the Harbour has TICKET_VIEW_ALL, or no permission; the bot's keys see every server;
#   keys of the desk and of organizations see none, and revoked keys nothing.
SEE_HARBOUR, SEE_ATTIC = {KEY_OF_HARBOUR, KEY_OF_BOT}, {KEY_OF_ATTIC, KEY_OF_BOT}
MATRIX: dict[str, tuple[tuple[str, ...], set[Viewer]]] = {
    "the Harbour": (SERVER, {ADA, MO, UNA, PLAIN_KEY_OF_HARBOUR, *SEE_HARBOUR}),
    "Bo's ticket in the Harbour": (TICKET, {ADA, MO, BO, *SEE_HARBOUR}),
    "Cy's ticket in the Harbour": (TICKET, {ADA, MO, CY, *SEE_HARBOUR}),
    "a ticket in the Harbour whose opener has no account": (TICKET, {ADA, MO, *SEE_HARBOUR}),
    "the Attic": (SERVER, {CY, *SEE_ATTIC}),
    "a ticket in the Attic": (TICKET, {CY, *SEE_ATTIC}),
    "Bo's own name": (EVENT, {BO, KEY_OF_DESK}),
    "what is for staff": (EVENT, {ADA, KEY_OF_DESK, ANALYST_KEY_OF_DESK}),
    "what is told of everybody": (EVENT, {KEY_OF_DESK}),  # Ada is an analyst, as in the portal's
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
def test_exactly_the_listed_viewers_see_it(
    access_probe: GuildAccessProbe, thing: str, way: str
) -> None:
    is_keyed = access_probe.accepts_keys(thing, way)
    meant = {each.name for each in MATRIX[thing][1] if is_keyed or isinstance(each, Persona)}

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
    assert {key.kind for key in LIVE_KEYS if key not in named} == {"organization"}
    assert {key for key in KEY_VIEWERS if key.is_revoked}.isdisjoint(named)


class GuildAccessProbe:
    """A desk after one of every event, and what each stream has received."""

    def __init__(self, desk: DeskFixture, keys: KeysByViewer) -> None:
        self.desk, self.keys = desk, keys
        self.site = SiteFixture(desk)
        self.crowd = StreamRecorder(desk, keys)

    def by(self, thing: str, way: str) -> set[str]:
        """The names of those who see `thing` in one way."""
        return {each.name for each in VIEWERS if self._sees(each, thing, way)}

    def accepts_keys(self, thing: str, way: str) -> bool:
        """Whether the policy of what is requested in one way accepts API keys."""
        if way in EVENT:
            return accepts_keys(self.site, "/api/events")
        if thing in SERVERS:
            return accepts_keys(self.site, SERVER_PATHS.get(way, "/guilds/{guild}"))
        page = "/guilds/{guild}/tickets/{number}"
        return accepts_keys(self.site, TICKET_PATHS.get(way, page))

    def _sees(self, viewer: Viewer, thing: str, way: str) -> bool:
        if way in EVENT:
            return self.crowd.has_heard(viewer, thing, way)
        if thing in SERVERS:
            return self._sees_server(viewer, SERVERS[thing], way)
        return self._sees_ticket(viewer, TICKETS[thing], way)

    def _sees_server(self, viewer: Viewer, guild: str, way: str) -> bool:
        match way:
            case "list":
                return f'data-row="guild:{guild}"' in self._get(viewer, "/guilds")
            case "fragment":
                part = self._get(viewer, f"/guilds/{guild}", fragment="overview")
                return f'data-held="guild:{guild}"' in part
            case "api":
                listed = f'"id":"{guild}"' in self._get(viewer, "/api/guilds")
                shown = f'"id":"{guild}"' in self._get(viewer, f"/api/guilds/{guild}")
                assert listed == shown
                return shown
            case _:
                return f'data-held="guild:{guild}"' in self._get(viewer, f"/guilds/{guild}")

    def _sees_ticket(self, viewer: Viewer, ticket: Ticket, way: str) -> bool:
        id_ = self.desk.db.read_sync(_id_of, ticket)
        index = f"/guilds/{ticket.guild}/tickets"
        match way:
            case "list":
                return f'data-row="ticket:{id_}"' in self._get(viewer, index)
            case "search":
                return f'data-row="ticket:{id_}"' in self._get(viewer, f"{index}?q={ticket.word}")
            case "fragment":
                part = self._get(viewer, f"{index}/{ticket.number}", fragment="ticket")
                row = self._get(viewer, index, fragment="ticket-list")
                assert (f'data-ticket="{id_}"' in part) == (f"ticket:{id_}" in row)
                return ticket.word in part
            case "api":
                one = f"/api{index}/{ticket.number}"
                listed = id_ in self._get(viewer, f"/api{index}")
                found = [self._get(viewer, each) for each in (one, f"{one}/messages")]
                seen = (listed, ticket.word in found[0], "Anything new?" in found[1])
                assert len(set(seen)) == 1, seen
                return listed
            case _:
                return f'data-ticket="{id_}"' in self._get(viewer, f"{index}/{ticket.number}")

    def addresses(self, thing: str) -> list[str]:
        if thing in SERVERS:
            return ["/guilds", f"/guilds/{SERVERS[thing]}"]
        ticket = TICKETS[thing]
        index = f"/guilds/{ticket.guild}/tickets"
        return [index, f"{index}?q={ticket.word}", f"{index}/{ticket.number}"]

    def _get(self, viewer: Viewer, address: str, fragment: str = "") -> str:
        headers = {"x-deskwire-fragment": fragment} if fragment else {}
        asked = f"{address}?fragment={fragment}" if fragment else address
        client = (
            open_program(self.site, self.keys[viewer])
            if isinstance(viewer, KeyViewer)
            else open_browser(self.site, viewer)
        )
        return client.get(asked, headers=headers).text

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
        self.crowd.record_position("Bo's own name")
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
    portal = create_portal(desk)
    desk.open_ticket(1, "The crane is stuck")
    desk.open_ticket(2, "Where is my container?", CY)
    desk.open_ticket(3, "The lighthouse is dark", STRANGER)
    desk.open_ticket(1, "There is a squeak", STRANGER, guild=ATTIC_GUILD)
    found = GuildAccessProbe(desk, create_keys(portal))
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
