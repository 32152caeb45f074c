"""Define the people, guilds and companies of the demo, and what each person may see.

    Ada   owns Northwind Community          sees everything there
    Bo    Tickets Support in Northwind      sees and works on its tickets
    Cy    Tickets Viewer in Pixel Forge     sees its tickets, and their own ones in Northwind
    Dee   Tickets Greeter in Northwind      sees its tickets while the story makes her a Viewer
    Eve   no role anywhere                  sees nothing

Seeding and the simulator both use it, and share nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from deskwire.workspaces.organizations.permissions import Role

PASSWORD = "demo-desk-2026"  # noqa: S105  printed by the demo, and valid only there


@dataclass(frozen=True, slots=True)
class DiscordUser:
    """A user on Discord."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class DiscordLogin:
    """A Discord user with an account in the demo."""

    name: str
    email: str
    discord_user: DiscordUser
    access_summary: str


@dataclass(frozen=True, slots=True)
class TeamRole:
    """A team role of a guild, and its holders at the start."""

    id: str
    name: str
    holders: tuple[DiscordUser, ...] = ()


@dataclass(frozen=True, slots=True)
class Guild:
    """A Discord server that has the bot."""

    id: str
    name: str
    owner: DiscordUser
    member_count: int
    roles: tuple[TeamRole, ...]
    staff: tuple[DiscordUser, ...]  # who answers tickets
    customers: tuple[DiscordUser, ...]
    category_id: str  # this and the next two: Discord ids made by the set-up
    transcripts_channel_id: str
    log_channel_id: str


ADA = DiscordUser("182345678901234567", "ada.north")
BO = DiscordUser("218764530912876543", "bo_helps")
CY = DiscordUser("300123456789012345", "cyan.cy")
DEE = DiscordUser("412398765012345678", "dee_waves")
EVE = DiscordUser("523450987612345678", "eve.listens")

DISCORD_LOGINS = (
    DiscordLogin("Ada Berg", "ada@example.org", ADA, "owner of Northwind Community"),
    DiscordLogin("Bo Lind", "bo@example.org", BO, "Tickets Support in Northwind: its tickets"),
    DiscordLogin(
        "Cy Okafor", "cy@example.org", CY, "Pixel Forge's tickets, and their own in Northwind"
    ),
    DiscordLogin(
        "Dee Moreau",
        "dee@example.org",
        DEE,
        "Northwind, with its tickets for a minute now and then",
    ),
    DiscordLogin("Eve Sandoval", "eve@example.org", EVE, "no access: an outsider"),
)


@dataclass(frozen=True, slots=True)
class PortalLogin:
    """A person of a company or of the team, with an account in the demo."""

    name: str
    email: str
    company: str
    role: Role
    access_summary: str

    @property
    def username(self) -> str:
        return self.email.partition("@")[0]


HARBOR_COMPANY, FJORD_COMPANY = "Harbor Analytics", "Fjord Bikes"

TEAM = (
    PortalLogin("Tess Marlow", "tess@example.org", "", "super_admin", "the team: everything"),
    PortalLogin(
        "Uma Holt", "uma@example.org", "", "support_analyst", "team, support analyst: requests"
    ),
    PortalLogin(
        "Noah Stein",
        "noah@example.org",
        "",
        "operations_manager",
        "team, operations manager: requests and people",
    ),
)
CLIENTS = (
    PortalLogin(
        "Clara Vance", "clara@example.org", HARBOR_COMPANY, "admin", f"admin of {HARBOR_COMPANY}"
    ),
    PortalLogin(
        "Hana Sato", "hana@example.org", HARBOR_COMPANY, "manager", "manager of Harbor Analytics"
    ),
    PortalLogin(
        "Carl Brandt", "carl@example.org", HARBOR_COMPANY, "member", f"member of {HARBOR_COMPANY}"
    ),
    PortalLogin(
        "Finn Aasen", "finn@example.org", FJORD_COMPANY, "admin", f"admin of {FJORD_COMPANY}"
    ),
    PortalLogin(
        "Freya Lie", "freya@example.org", FJORD_COMPANY, "member", f"member of {FJORD_COMPANY}"
    ),
)
VISITOR_USERNAMES = ("clara", "tess")  # most visitors sign in as them: the demo never acts for them

HELGA = DiscordUser("234509871265430987", "helga_n")
RASMUS = DiscordUser("267812309876123450", "rasmus.px")
IVY = DiscordUser("281209345678120934", "ivy_forge")
TOMASZ = DiscordUser("871234509876543210", "tomasz.w")

MIRA = DiscordUser("318456789012345678", "mira.codes")
JUNO = DiscordUser("356712098345671209", "juno.exe")
KESTREL = DiscordUser("498712036549871203", "kestrel_88")
PAVEL = DiscordUser("609812347650981234", "pavel.k")
SUNNY = DiscordUser("701928374650192837", "sunnyside")
OTTO = DiscordUser("812309456781230945", "otto_van_d")
NOOR = DiscordUser("934512870639451287", "noor.a")
QUILL = DiscordUser("1012938475610293847", "quill_and_co")

NORTHWIND = Guild(
    id="1046123456789012345",
    name="Northwind Community",
    owner=ADA,
    member_count=1284,
    roles=(
        TeamRole("1046200000000000001", "Tickets Admin", (HELGA,)),
        TeamRole("1046200000000000002", "Tickets Support", (BO, TOMASZ)),
        TeamRole("1046200000000000003", "Tickets Viewer", (QUILL,)),
        TeamRole("1046200000000000004", "Tickets Greeter", (DEE,)),
    ),
    staff=(BO, TOMASZ, HELGA),
    customers=(MIRA, JUNO, KESTREL, PAVEL, SUNNY, OTTO, CY),
    category_id="1046200000000000010",
    transcripts_channel_id="1046200000000000011",
    log_channel_id="1046200000000000012",
)

PIXEL_FORGE = Guild(
    id="1098765432109876543",
    name="Pixel Forge",
    owner=RASMUS,
    member_count=412,
    roles=(
        TeamRole("1098800000000000001", "Tickets Admin"),
        TeamRole("1098800000000000002", "Tickets Support", (IVY,)),
        TeamRole("1098800000000000003", "Tickets Viewer", (CY,)),
    ),
    staff=(IVY, RASMUS),
    customers=(NOOR, QUILL, KESTREL, OTTO, JUNO),
    category_id="1098800000000000010",
    transcripts_channel_id="1098800000000000011",
    log_channel_id="1098800000000000012",
)

GUILDS = (NORTHWIND, PIXEL_FORGE)

# Comes and goes while the simulator runs; the seeded history does not contain it.
WILLOW_STREET = Guild(
    id="1187654321098765432",
    name="Willow Street Books",
    owner=ADA,
    member_count=87,
    roles=(),
    staff=(),
    customers=(),
    category_id="1187700000000000010",
    transcripts_channel_id="1187700000000000011",
    log_channel_id="1187700000000000012",
)

NIGHT_SHIFT_ROLE = TeamRole(
    "1046200000000000009", "Tickets Night Shift"
)  # created and deleted again
SEEDED_TICKETS = {NORTHWIND.id: 46, PIXEL_FORGE.id: 40}  # by the history; later numbers follow


def find_role(guild: Guild, name: str) -> TeamRole:
    """Return the guild's role of this name."""
    return next(role for role in guild.roles if role.name == name)
