"""Define the admin commands of the command line; each is one transaction over JSON arguments.

The serving process runs them for the command line (`control`), which runs them itself if there is
no server. Results are JSON, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from deskwire.accounts import admin_actions as accounts
from deskwire.accounts.identities import SUBJECT_PATTERNS, parse_principal
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.server import admin_sql
from deskwire.server.key_commands import KEY_COMMANDS
from deskwire.server.reach_commands import REACH_COMMANDS
from deskwire.webhooks import deliveries
from deskwire.workspaces.guilds import guilds, members
from deskwire.workspaces.guilds.permissions import parse_names
from deskwire.workspaces.organizations.staff import set_staff_role_from_shell
from deskwire.workspaces.origin import Origin

SNOWFLAKE = SUBJECT_PATTERNS["discord"]

Arguments = dict[str, Any]
Command = Callable[[Connection, Arguments], Any]


def execute_command(tx: Connection, name: str, arguments: Arguments) -> Any:  # noqa: ANN401 - JSON
    """Run the command `name`. Raises NotFound if there is none, and what the command raises."""
    if name not in COMMANDS:
        raise NotFound(f"The server has no command {name!r}; is it older than this `deskwire`?")
    return COMMANDS[name](tx, arguments)


def is_read_only_command(name: str, arguments: Arguments) -> bool:
    """Whether the command only reads, so that it need not block webhooks as a writer."""
    return name == "sql" and admin_sql.is_read_only(arguments["statement"])


def _create_person(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person, token = accounts.create_person(tx, arguments["email"], arguments.get("name"))
    if role := arguments.get("role"):
        set_staff_role_from_shell(tx, person, role, accounts.SHELL_ACTOR, now())
    return {"id": person.id, "email": person.email, "token": token}


def _set_staff_role(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.require_person_by_email(tx, arguments["email"])
    set_staff_role_from_shell(tx, person, arguments["role"], accounts.SHELL_ACTOR, now())
    proven = person.email_verified_at is not None
    return {"id": person.id, "name": person.name, "proven": proven}


def _reset_password(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person, token = accounts.issue_reset_link(tx, arguments["email"])
    return {"id": person.id, "email": person.email, "token": token}


def _link_discord(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.link_discord_by_email(tx, arguments["email"], arguments["discord"])
    return {"id": person.id, "name": person.name}


def _unlink_discord(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.unlink_discord_by_email(tx, arguments["email"])
    return {"id": person.id, "name": person.name}


def _retry_address(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    person = accounts.retry_address_by_email(tx, arguments["email"])
    return {"id": person.id, "email": person.email}


def _replay_delivery(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    deliveries.replay(tx, int(arguments["id"]))
    return {"id": arguments["id"]}


def _dismiss_delivery(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    deliveries.dismiss(tx, int(arguments["id"]), now())
    return {"id": arguments["id"]}


def _set_permissions(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    permissions = parse_names(arguments["permissions"])
    principal = parse_principal("discord", arguments["discord"])
    guild = arguments["guild"]
    if not SNOWFLAKE.fullmatch(guild):
        raise Invalid(f"{guild!r} is not a Discord server's ID; copy its 17 to 20 digits.")
    existing = guilds.read_guild_unfiltered(tx, guild)  # before the change, which inserts a row
    members.set_member_permissions(tx, Origin("shell", now()), guild, principal, permissions)
    is_known = existing is not None and existing.owner is not None
    return {"permissions": arguments["permissions"], "known": is_known}


def _run_sql(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    return admin_sql.run_statement(tx, arguments["statement"])


COMMANDS: dict[str, Command] = {
    "people.create": _create_person,
    "people.employ": _set_staff_role,
    "people.reset-password": _reset_password,
    "people.link": _link_discord,
    "people.unlink": _unlink_discord,
    "people.retry-address": _retry_address,
    "deliveries.replay": _replay_delivery,
    "deliveries.dismiss": _dismiss_delivery,
    "guilds.permit": _set_permissions,
    "sql": _run_sql,
    **REACH_COMMANDS,
    **KEY_COMMANDS,
}
