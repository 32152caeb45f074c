"""Define the admin commands for API keys.

The result of `keys.create` holds the secret of a key: print it, and never log it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from deskwire.accounts.admin_actions import SHELL_ACTOR
from deskwire.accounts.api_keys import KEY_KINDS, KeyFields
from deskwire.events import channels
from deskwire.events.channels import Workspace
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.web.pages.key_forms import parse_expiry
from deskwire.workspaces.guilds.permissions import parse_names
from deskwire.workspaces.keys.actions import create_key_from_shell, revoke_key_from_shell
from deskwire.workspaces.organizations.organizations import organizations

Arguments = dict[str, Any]


# Options that only apply to some kinds of keys, by their names in the shell.
KINDS_BY_OPTION = {
    "organization": ("organization",),
    "guild": ("guild",),
    "role": ("organization", "desk"),
    "permissions": ("guild",),
}


def _create_key(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    _check_options(arguments)
    fields = KeyFields(
        arguments["kind"],
        arguments["name"],
        arguments["scopes"],
        _find_workspace(tx, arguments),
        arguments["role"] or None,
        int(parse_names(arguments["permissions"])),
        parse_expiry(arguments["expires"], None),
    )
    new = create_key_from_shell(tx, fields, SHELL_ACTOR, now())
    return {"id": new.key.id, "name": new.key.name, "token": new.token}


def _revoke_key(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    key = revoke_key_from_shell(tx, arguments["id"], SHELL_ACTOR, now())
    return {"id": key.id, "name": key.name}


def _check_options(arguments: Arguments) -> None:
    """Raise Invalid for options that are missing, or that a key of this kind does not have."""
    kind = arguments["kind"]
    if kind not in KEY_KINDS:
        raise Invalid(f"There is no kind {kind!r}. Choose one of: {', '.join(KEY_KINDS)}.")
    for name, kinds in KINDS_BY_OPTION.items():
        if arguments[name] and kind not in kinds:
            option = name.removesuffix("s")
            allowed = " and ".join(kinds)
            raise Invalid(f"--{option} does not apply to --kind {kind}, only to {allowed}.")
    if kind == "organization" and not arguments["organization"]:
        raise Invalid("--kind organization needs --organization SLUG.")
    if kind == "guild" and not arguments["guild"]:
        raise Invalid("--kind guild needs --guild ID.")


def _find_workspace(tx: Connection, arguments: Arguments) -> Workspace | None:
    """Return what the key belongs to; None for the desk and the bot. Raises NotFound."""
    kind, slug, guild_id = arguments["kind"], arguments["organization"], arguments["guild"]
    if kind == "guild":
        return channels.guild(guild_id)
    if kind != "organization":
        return None
    is_it = (organizations.c.slug == slug) & organizations.c.deleted_at.is_(None)
    id_ = tx.execute(select(organizations.c.id).where(is_it)).scalar()
    if id_ is None:
        raise NotFound(f"There is no organization {slug!r}. Its address is /orgs/{slug}.")
    return channels.organization(id_)


KEY_COMMANDS: dict[str, Callable[[Connection, Arguments], Any]] = {
    "keys.create": _create_key,
    "keys.revoke": _revoke_key,
}
