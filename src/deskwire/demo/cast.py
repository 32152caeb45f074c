"""The cast and the places of the demo: who is who, and what they may see.

    Ada   owns Northwind Community          sees everything there
    Bo    Tickets Support in Northwind      sees and works on its tickets
    Cy    Tickets Viewer in Pixel Forge     sees its tickets, and their own ones in Northwind
    Dee   Tickets Greeter in Northwind      sees its tickets while the story makes her a Viewer
    Eve   nobody anywhere                   sees nothing

Known to the seeding and to the simulator, which share nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from deskwire.workspaces.organizations.permissions import Role

PASSWORD = "demo-desk-2026"  # noqa: S105  printed by the demo, and only good there


@dataclass(frozen=True, slots=True)
class User:
    """Somebody on Discord."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who can sign in to the demo."""

    name: str
    email: str
    user: User
    sees: str


@dataclass(frozen=True, slots=True)
class TeamRole:
    """A role of a server, and who holds it from the beginning."""

    id: str
    name: str
    holders: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """A Discord server with the bot in it."""

    id: str
    name: str
    owner: User
    members: int
    roles: tuple[TeamRole, ...]
    staff: tuple[User, ...]  # who answers tickets
    customers: tuple[User, ...]
    category: str  # Discord ids the set-up made
    transcripts: str
    log: str


ADA = User("182345678901234567", "ada.north")
BO = User("218764530912876543", "bo_helps")
CY = User("300123456789012345", "cyan.cy")
DEE = User("412398765012345678", "dee_waves")
EVE = User("523450987612345678", "eve.listens")

LOGINS = (
    Login("Ada Berg", "ada@example.org", ADA, "owns Northwind Community: all of it"),
    Login("Bo Lind", "bo@example.org", BO, "Tickets Support there: its tickets"),
    Login("Cy Okafor", "cy@example.org", CY, "Pixel Forge's tickets, and own ones in Northwind"),
    Login(
        "Dee Moreau",
        "dee@example.org",
        DEE,
        "Northwind; its tickets for a minute, now and then",
    ),
    Login("Eve Sandoval", "eve@example.org", EVE, "nothing: an outsider"),
)


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody of the portal who can sign in to the demo: of a company, or of the team."""

    name: str
    email: str
    company: str
    role: Role
    sees: str

    @property
    def key(self) -> str:
        return self.email.partition("@")[0]


HARBOR, FJORD = "Harbor Analytics", "Fjord Bikes"

TEAM = (
    Client("Tess Marlow", "tess@example.org", "", "super_admin", "the team: all there is"),
    Client("Uma Holt", "uma@example.org", "", "support_analyst", "the team: requests"),
    Client("Noah Stein", "noah@example.org", "", "operations_manager", "the team: and people"),
)
CLIENTS = (
    Client("Clara Vance", "clara@example.org", HARBOR, "admin", f"admin of {HARBOR}"),
    Client("Hana Sato", "hana@example.org", HARBOR, "manager", "a manager there"),
    Client("Carl Brandt", "carl@example.org", HARBOR, "member", "a member there"),
    Client("Finn Aasen", "finn@example.org", FJORD, "admin", f"admin of {FJORD}"),
    Client("Freya Lie", "freya@example.org", FJORD, "member", "a member there"),
)
VISITORS = ("clara", "tess")  # as whom most people look first: live, nothing is done in their name

HELGA = User("234509871265430987", "helga_n")
RASMUS = User("267812309876123450", "rasmus.px")
IVY = User("281209345678120934", "ivy_forge")
TOMASZ = User("871234509876543210", "tomasz.w")

MIRA = User("318456789012345678", "mira.codes")
JUNO = User("356712098345671209", "juno.exe")
KESTREL = User("498712036549871203", "kestrel_88")
PAVEL = User("609812347650981234", "pavel.k")
SUNNY = User("701928374650192837", "sunnyside")
OTTO = User("812309456781230945", "otto_van_d")
NOOR = User("934512870639451287", "noor.a")
QUILL = User("1012938475610293847", "quill_and_co")

NORTHWIND = Place(
    id="1046123456789012345",
    name="Northwind Community",
    owner=ADA,
    members=1284,
    roles=(
        TeamRole("1046200000000000001", "Tickets Admin", (HELGA,)),
        TeamRole("1046200000000000002", "Tickets Support", (BO, TOMASZ)),
        TeamRole("1046200000000000003", "Tickets Viewer", (QUILL,)),
        TeamRole("1046200000000000004", "Tickets Greeter", (DEE,)),
    ),
    staff=(BO, TOMASZ, HELGA),
    customers=(MIRA, JUNO, KESTREL, PAVEL, SUNNY, OTTO, CY),
    category="1046200000000000010",
    transcripts="1046200000000000011",
    log="1046200000000000012",
)

PIXEL_FORGE = Place(
    id="1098765432109876543",
    name="Pixel Forge",
    owner=RASMUS,
    members=412,
    roles=(
        TeamRole("1098800000000000001", "Tickets Admin"),
        TeamRole("1098800000000000002", "Tickets Support", (IVY,)),
        TeamRole("1098800000000000003", "Tickets Viewer", (CY,)),
    ),
    staff=(IVY, RASMUS),
    customers=(NOOR, QUILL, KESTREL, OTTO, JUNO),
    category="1098800000000000010",
    transcripts="1098800000000000011",
    log="1098800000000000012",
)

PLACES = (NORTHWIND, PIXEL_FORGE)

# Comes and goes while the simulator runs; the past knows nothing of it.
WILLOW_STREET = Place(
    id="1187654321098765432",
    name="Willow Street Books",
    owner=ADA,
    members=87,
    roles=(),
    staff=(),
    customers=(),
    category="1187700000000000010",
    transcripts="1187700000000000011",
    log="1187700000000000012",
)

NIGHT_SHIFT = TeamRole("1046200000000000009", "Tickets Night Shift")  # made and deleted again
TICKETS_EACH = {NORTHWIND.id: 46, PIXEL_FORGE.id: 40}  # in the seeded past; numbers go on after


def role_of(place: Place, name: str) -> TeamRole:
    """The role of this name."""
    return next(role for role in place.roles if role.name == name)
