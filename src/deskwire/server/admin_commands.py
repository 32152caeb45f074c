"""What the shell can change: commands by name, each one transaction over plain arguments.

The serving process runs them for the shell (`control`); without one the shell runs them itself.
Arguments and results are JSON.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from deskwire.accounts import admin_actions as accounts
from deskwire.accounts.identities import SUBJECTS, parse_principal
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.server import admin_sql
from deskwire.webhooks import deliveries
from deskwire.workspaces.guilds import guilds, members
from deskwire.workspaces.guilds.permissions import NONE, Permission
from deskwire.workspaces.organizations.staff import appoint
from deskwire.workspaces.origin import Origin

SNOWFLAKE = SUBJECTS["discord"]

Arguments = dict[str, Any]
Command = Callable[[Connection, Arguments], Any]


def run(tx: Connection, name: str, arguments: Arguments) -> Any:  # noqa: ANN401 - JSON
    """Run the command `name`; raises NotFound where there is none."""
    if name not in COMMANDS:
        raise NotFound(f"The server knows no command {name!r}; is it older than this shell?")
    return COMMANDS[name](tx, arguments)


def is_reading(name: str, arguments: Arguments) -> bool:
    """Whether the command changes nothing, so that no webhook has to wait for it."""
    return name == "sql" and admin_sql.is_reading(arguments["statement"])


def _create_person(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person, token = accounts.create_person(tx, arguments["email"], arguments.get("name"))
    if role := arguments.get("role"):
        appoint(tx, person, role, accounts.ACTOR, now())
    return {"id": person.id, "email": person.email, "token": token}


def _employ(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.find_person(tx, arguments["email"])
    appoint(tx, person, arguments["role"], accounts.ACTOR, now())
    proven = person.email_verified_at is not None
    return {"id": person.id, "name": person.name, "proven": proven}


def _reset_password(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person, token = accounts.reset_password(tx, arguments["email"])
    return {"id": person.id, "email": person.email, "token": token}


def _link(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.link_discord(tx, arguments["email"], arguments["discord"])
    return {"id": person.id, "name": person.name}


def _unlink(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.unlink_discord(tx, arguments["email"])
    return {"id": person.id, "name": person.name}


def _replay(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    deliveries.replay(tx, int(arguments["id"]))
    return {"id": arguments["id"]}


def _dismiss(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    deliveries.dismiss(tx, int(arguments["id"]), now())
    return {"id": arguments["id"]}


def _permit(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    permissions = NONE
    for name in arguments["permissions"]:
        if name not in Permission.__members__:
            raise Invalid(f"There is no permission {name!r}; see docs/permissions.md.")
        permissions |= Permission[name]
    principal = parse_principal("discord", arguments["discord"])
    guild = arguments["guild"]
    if not SNOWFLAKE.fullmatch(guild):
        raise Invalid(f"{guild!r} is not a Discord server's id; copy its 17 to 20 digits.")
    known = guilds.read_place(tx, guild)
    members.permit(tx, Origin("shell", now()), guild, principal, permissions)
    is_told_of = known is not None and known.owner is not None
    return {"permissions": arguments["permissions"], "known": is_told_of}


def _sql(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    return admin_sql.run(tx, arguments["statement"])


COMMANDS: dict[str, Command] = {
    "people.create": _create_person,
    "people.employ": _employ,
    "people.reset-password": _reset_password,
    "people.link": _link,
    "people.unlink": _unlink,
    "deliveries.replay": _replay,
    "deliveries.dismiss": _dismiss,
    "guilds.permit": _permit,
    "sql": _sql,
}
