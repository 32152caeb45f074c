"""Administer the API keys of the desk, of Discord servers and of the bot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_
from starlette.requests import Request
from starlette.responses import Response

from deskwire.accounts.api_keys import KeyKind, NewKey, api_keys
from deskwire.events.access import Viewer
from deskwire.events.channels import guild
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Invalid, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import status_of
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.i18n import translate_labels
from deskwire.web.pages.key_forms import (
    KeyForm,
    key_form_context,
    parse_key_form,
    read_key_form,
    reader_time_zone,
)
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.guilds.guilds import list_guilds_unfiltered
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.key_events import list_live_keys
from deskwire.workspaces.keys.actions import (
    DESK_ROLES,
    NO_KEY_MESSAGE,
    KeyAlreadyCreated,
    create_key,
    list_keys_of_desk,
    revoke_key,
)
from deskwire.workspaces.keys.listing import ListedKey, describe_keys
from deskwire.workspaces.organizations.permissions import ROLE_LABELS, Permission, require

BASE_PATH = "/admin/keys"
KIND_LABELS: Mapping[KeyKind, str] = {
    "desk": N_("The desk"),
    "guild": N_("A Discord server"),
    "bot": N_("The bot"),
}
KIND_HINTS: Mapping[KeyKind, str] = {
    "desk": N_("Acts on the requests of all organizations, with a role in the team."),
    "guild": N_("Acts on the tickets of one server, with the permissions you choose."),
    "bot": N_("Sees every server, reports what happens there, and acts on behalf of its people."),
}


@dataclass(frozen=True, slots=True)
class KeysAdminPages:
    """`/admin/keys`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/keys: the keys, newest first, and a form that creates one."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/keys (act: create-key or revoke-key)."""
        form = await read_form(request)
        typed = read_key_form(form) if form.get("act") == "create-key" else None
        time_zone = reader_time_zone(request)
        try:
            new_key = await act_as(self.deps, request, apply_form, form, typed, time_zone)
        except KeyAlreadyCreated as refusal:
            return await self._page(request, refusal=refusal)  # with a form for another key
        except (Invalid, Conflict) as refusal:
            return await self._page(request, typed, refusal)
        if new_key is not None:
            return await self._page(request, new_key=new_key)
        return respond_done(request, BASE_PATH)

    async def _page(
        self,
        request: Request,
        typed: KeyForm | None = None,
        refusal: Refusal | None = None,
        new_key: NewKey | None = None,
    ) -> Response:
        viewer, (listed_keys, guild_names) = await read_as(self.deps, request, read_keys)
        labels: Mapping[str, str] = {str(role): label for role, label in ROLE_LABELS.items()}
        role_labels = translate_labels(labels)
        context = {
            "viewer": viewer,
            "listed_keys": listed_keys,
            "guilds": guild_names,
            "kinds": _list_kinds(),
            "roles": [(role, role_labels[role]) for role in DESK_ROLES],
            "role_labels": role_labels,
            "permission_names": [each.name for each in DiscordPermission],
            "alert": str(refusal) if refusal is not None else None,
            **key_form_context(typed, refusal, new_key),
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "admin_keys.html", context, status=status)


def read_keys(tx: Connection, viewer: Viewer) -> tuple[list[ListedKey], list[tuple[str, str]]]:
    """Read the keys, and the ids and names of all servers. Raises Forbidden."""
    return describe_keys(tx, list_keys_of_desk(tx, viewer), now()), [
        (each.id, each.name) for each in list_guilds_unfiltered(tx)
    ]


def apply_form(
    tx: Connection, actor: Actor, form: Form, typed: KeyForm | None, time_zone: str | None
) -> NewKey | None:
    """Create or revoke a key; return a new one. Raises Forbidden, Invalid, NotFound or Conflict."""
    require(actor.viewer, Permission.DESK_KEYS)
    match form.get("act"):
        case "create-key" if typed is not None:
            return _create(tx, actor, typed, time_zone)
        case "revoke-key":
            _revoke(tx, actor, form.get("key"))
        case _:
            raise Invalid(gettext("Nothing to change. Choose something and try again."))
    return None


def _create(tx: Connection, actor: Actor, typed: KeyForm, time_zone: str | None) -> NewKey:
    kind = next((kind for kind in KIND_LABELS if kind == typed.kind), None)
    if kind is None:
        sentence = gettext("Choose what the key is for.")
        raise Invalid(sentence, {"kind": sentence})
    workspace = guild(typed.guild) if kind == "guild" else None
    fields = parse_key_form(typed, kind, workspace, time_zone)
    try:
        return create_key(tx, actor, fields)
    except NotFound:
        sentence = gettext("Choose a server.")
        raise Invalid(sentence, {"guild": sentence}) from None


def _revoke(tx: Connection, actor: Actor, key_id: str) -> None:
    if not list_live_keys(tx, and_(api_keys.c.id == key_id, api_keys.c.kind != "organization")):
        raise NotFound(gettext(NO_KEY_MESSAGE))
    revoke_key(tx, actor, key_id)


def _list_kinds() -> list[dict[str, Any]]:
    return [
        {"kind": kind, "label": gettext(label), "hint": gettext(KIND_HINTS[kind])}
        for kind, label in KIND_LABELS.items()
    ]
