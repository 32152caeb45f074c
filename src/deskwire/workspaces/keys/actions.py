"""Create, list and revoke API keys, with the permissions of the people who do.

Admins of an organization manage its keys, super admins all others. A key never has more
than the person who creates it, and never gives anyone access (`permissions.WITHHELD_FROM_KEYS`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import Connection

from deskwire.accounts import api_keys
from deskwire.accounts.api_keys import KEY_KINDS, SCOPES, ApiKey, KeyFields, NewKey
from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import KeyCreated
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.text import is_blank, is_control_character
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.guilds.guilds import read_guild_unfiltered
from deskwire.workspaces.guilds.permissions import ALL_PERMISSIONS
from deskwire.workspaces.key_events import (
    list_live_keys,
    record_key_event,
    revoke_live_key,
    schedule_expiry_reminders,
)
from deskwire.workspaces.organizations.organizations import (
    Organization,
    read_organizations_by_id,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import (
    Permission,
    can,
    may_give,
    parse_client_role,
    permissions_in,
    require,
)
from deskwire.workspaces.origin import Principal

MAX_NAME_LENGTH = 80  # characters
MAX_LIVE_KEYS = 50  # of an organization, of a guild, or of the desk and the bot together
MAX_LIFETIME = 3650 * DAY  # ms; ten years
DESK_ROLES = ("support_analyst", "operations_manager")  # never super_admin
NO_KEY_MESSAGE = N_("This API key doesn’t exist, or it was revoked already.")

columns = api_keys.api_keys.c


class KeyAlreadyCreated(Conflict):
    """The form that creates this key was sent before."""


def create_key(tx: Connection, actor: Actor, fields: KeyFields) -> NewKey:
    """Create an API key; return it with its token, which is not stored.

    Raises Forbidden without the permission to manage such keys, or for a role that allows more than
    the actor's; Invalid for a bad name, role, scope or expiry; NotFound for an organization or a
    server that does not exist; Conflict if there are too many keys, and KeyAlreadyCreated, which is
    one, for an id that is taken: the token of that key cannot be shown again.
    """
    _require_kind(fields.kind)  # it decides which permission is asked
    _require_may_manage(tx, actor, fields.kind, fields.workspace)
    checked = _parse_fields(fields, actor.at)
    if checked.kind == "organization":
        role = parse_client_role(checked.role or "")
        if not may_give(permissions_in(actor.viewer, checked.workspace), role):
            raise Forbidden(gettext("You can’t give a key more than your own role allows."))
    return _create_key(tx, checked, actor.person_id, actor.person_id, actor.at)


def create_key_from_shell(
    tx: Connection, fields: KeyFields, actor_id: Principal, at: Millis
) -> NewKey:
    """Create a key from the command line. Raises Invalid, NotFound and Conflict."""
    return _create_key(tx, _parse_fields(fields, at), None, actor_id, at)


def revoke_key(tx: Connection, actor: Actor, key_id: str) -> None:
    """Revoke a key, which ends its streams. Raises NotFound for one the actor may not manage."""
    key = _find_live_key(tx, key_id)
    try:
        _require_may_manage(tx, actor, key.kind, key.workspace)
    except (Forbidden, NotFound):  # not to be distinguished from a key that does not exist
        raise NotFound(gettext(NO_KEY_MESSAGE)) from None
    revoke_live_key(tx, key, actor.person_id, actor.at)


def revoke_key_from_shell(tx: Connection, key_id: str, actor_id: Principal, at: Millis) -> ApiKey:
    """Revoke a key from the command line; return it. Raises NotFound."""
    key = _find_live_key(tx, key_id)
    revoke_live_key(tx, key, actor_id, at)
    return key


def list_keys_of_organization(
    tx: Connection, viewer: Viewer, organization: Organization
) -> list[ApiKey]:
    """List an organization's keys; none unless the viewer may manage them."""
    if not can(viewer, Permission.KEYS, organization.workspace):
        return []
    return list_live_keys(tx, columns.workspace == organization.workspace)


def list_keys_of_desk(tx: Connection, viewer: Viewer) -> list[ApiKey]:
    """List the keys of the desk, of guilds and of the bot. Raises Forbidden."""
    require(viewer, Permission.DESK_KEYS)
    return list_live_keys(tx, columns.kind != "organization")


def parse_key_name(text: str) -> str:
    """Return a key's name on one line, 1 to 80 characters. Raises Invalid."""
    name = " ".join(text.split())
    if len(name) > MAX_NAME_LENGTH or is_blank(name) or any(map(is_control_character, name)):
        sentence = gettext("Enter a name of 1 to %(most)s characters.", most=MAX_NAME_LENGTH)
        raise Invalid(sentence, {"name": sentence})
    return name


def _create_key(
    tx: Connection, fields: KeyFields, maker: str | None, actor_id: Principal, at: Millis
) -> NewKey:
    _require_workspace(tx, fields)
    if fields.id is not None:
        _require_new_id(tx, fields.id)
    acquire_advisory_lock(tx, f"keys of {fields.workspace}")
    beside = columns.workspace.is_not_distinct_from(fields.workspace)
    if len(list_live_keys(tx, beside)) >= MAX_LIVE_KEYS:
        raise Conflict(
            gettext(
                "There are %(most)s API keys already. Revoke one that isn’t needed.",
                most=MAX_LIVE_KEYS,
            )
        )
    new = api_keys.insert_key(tx, fields, maker, at)
    schedule_expiry_reminders(tx, new.key, at)
    record_key_event(tx, KeyCreated, new.key, actor_id, at)
    return new


def _require_new_id(tx: Connection, key_id: str) -> None:
    acquire_advisory_lock(tx, f"key {key_id}")  # of two at once, the second waits
    if api_keys.is_taken(tx, key_id):
        raise KeyAlreadyCreated(
            gettext(
                "This API key was created already, and is not shown again. If you didn’t copy "
                "it, revoke it and create another."
            )
        )


def _find_live_key(tx: Connection, key_id: str) -> ApiKey:
    found = list_live_keys(tx, columns.id == key_id)
    if not found:
        raise NotFound(gettext(NO_KEY_MESSAGE))
    return found[0]


def _require_may_manage(
    tx: Connection, actor: Actor, kind: str, workspace: Workspace | None
) -> None:
    if kind == "organization" and workspace is not None:
        read_visible_by_id(tx, actor.viewer, workspace.removeprefix("org:"))
        require(actor.viewer, Permission.KEYS, workspace)
    else:
        require(actor.viewer, Permission.DESK_KEYS)


def _require_workspace(tx: Connection, fields: KeyFields) -> None:
    """Raise NotFound unless the organization or the server of a key exists."""
    kind, id_ = fields.kind, (fields.workspace or "").partition(":")[2]
    if kind == "organization":
        found = read_organizations_by_id(tx, [id_]).get(id_)
        if found is None or found.is_deleted or found.internal:
            raise NotFound(
                gettext("This organization doesn’t exist, or you don’t have access to it.")
            )
    if kind == "guild" and read_guild_unfiltered(tx, id_) is None:
        raise NotFound(gettext("This server doesn’t exist, or you don’t have access to it."))


def _parse_fields(fields: KeyFields, at: Millis) -> KeyFields:
    """Return checked fields, those that do not apply to the kind removed. Raises Invalid."""
    _require_kind(fields.kind)
    if not fields.scopes or not set(fields.scopes) <= set(SCOPES):
        raise _choice_error("scopes", SCOPES)
    if fields.expires_at is not None and not at < fields.expires_at <= at + MAX_LIFETIME:
        sentence = gettext("Choose a day in the future, within ten years.")
        raise Invalid(sentence, {"expires": sentence})
    role, permissions, workspace = fields.role, fields.permissions, fields.workspace
    if fields.kind == "organization":
        role, permissions = parse_client_role(role or ""), 0
    elif fields.kind == "desk":
        if role not in DESK_ROLES:
            raise _choice_error("role", DESK_ROLES)
        permissions = 0
    else:
        role = None
    if fields.kind == "guild":
        permissions &= int(ALL_PERMISSIONS)
    elif fields.kind == "bot":
        permissions = 0
    if fields.kind in ("desk", "bot"):
        workspace = None
    name = parse_key_name(fields.name)
    return replace(fields, name=name, role=role, permissions=permissions, workspace=workspace)


def _require_kind(kind: str) -> None:
    if kind not in KEY_KINDS:
        raise _choice_error("kind", KEY_KINDS)


def _choice_error(field: str, choices: Iterable[str]) -> Invalid:
    sentence = gettext("Choose one of: %(words)s", words=", ".join(choices))
    return Invalid(f"{field}: {sentence}", {field: sentence})
