"""Define the admin commands for API keys. What creates one returns a secret: print it only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from deskwire.accounts.admin_actions import SHELL_ACTOR
from deskwire.accounts.api_keys import KeyFields
from deskwire.events import channels
from deskwire.events.channels import Workspace
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.web.pages.key_forms import parse_expiry
from deskwire.workspaces.guilds.permissions import NO_PERMISSIONS, DiscordPermission
from deskwire.workspaces.keys.actions import create_key_from_shell, revoke_key_from_shell
from deskwire.workspaces.organizations.organizations import organizations

Arguments = dict[str, Any]


def _create_key(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    fields = KeyFields(
        arguments["kind"],
        arguments["name"],
        arguments["scopes"],
        _find_workspace(tx, arguments),
        arguments["role"] or None,
        int(_parse_permissions(arguments["permissions"])),
        parse_expiry(arguments["expires"], None),
    )
    new = create_key_from_shell(tx, fields, SHELL_ACTOR, now())
    return {"id": new.key.id, "name": new.key.name, "token": new.token}


def _revoke_key(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    key = revoke_key_from_shell(tx, arguments["id"], SHELL_ACTOR, now())
    return {"id": key.id, "name": key.name}


def _find_workspace(tx: Connection, arguments: Arguments) -> Workspace | None:
    """Return what the key belongs to. Raises Invalid for options that contradict the kind."""
    kind, slug, guild_id = arguments["kind"], arguments["organization"], arguments["guild"]
    if bool(slug) != (kind == "organization") or bool(guild_id) != (kind == "guild"):
        raise Invalid(
            "Use --organization SLUG with --kind organization, --guild ID with --kind guild, and "
            "neither with other kinds."
        )
    if kind == "guild":
        return channels.guild(guild_id)
    if kind != "organization":
        return None
    is_it = (organizations.c.slug == slug) & organizations.c.deleted_at.is_(None)
    id_ = tx.execute(select(organizations.c.id).where(is_it)).scalar()
    if id_ is None:
        raise NotFound(f"There is no organization {slug!r}. Its address is /orgs/{slug}.")
    return channels.organization(id_)


def _parse_permissions(names: list[str]) -> DiscordPermission:
    permissions = NO_PERMISSIONS
    for name in names:
        if name not in DiscordPermission.__members__:
            known = ", ".join(DiscordPermission.__members__)
            raise Invalid(f"There is no permission {name!r}. Choose from: {known}.")
        permissions |= DiscordPermission[name]
    return permissions


KEY_COMMANDS: dict[str, Callable[[Connection, Arguments], Any]] = {
    "keys.create": _create_key,
    "keys.revoke": _revoke_key,
}
