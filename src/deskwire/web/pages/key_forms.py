"""Read the form that creates an API key, and describe the form and its errors to a template."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from operator import or_
from typing import Any, ParamSpec, TypeVar

from starlette.requests import Request

from deskwire.accounts.api_keys import SCOPES, KeyFields, KeyKind, NewKey, Scope
from deskwire.events.channels import Workspace
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.web.context import request_context
from deskwire.web.http.forms import Form
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.time_zones import end_of_day
from deskwire.workspaces.guilds.permissions import (
    NO_PERMISSIONS,
    DiscordPermission,
    parse_known_names,
)
from deskwire.workspaces.keys.actions import parse_key_name

SCOPE_LABELS: Mapping[Scope, str] = {
    "read": N_("Read what its role may see"),
    "write": N_("Create and change what its role may"),
    "stream": N_("Receive events as they happen"),
}
P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_SCOPES: tuple[Scope, ...] = ("read",)
DEFAULT_PERMISSIONS = (DiscordPermission.TICKET_VIEW_ALL.name,)


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The fields of the form as they were typed; a new form has the defaults.

    The form holds the id of the key, so that sending it twice creates one key.
    """

    name: str = ""
    kind: str = "desk"
    role: str = ""
    guild: str = ""
    expires: str = ""  # a day, `2027-03-01`; empty: never
    scopes: Collection[str] = DEFAULT_SCOPES
    permissions: Collection[str | None] = DEFAULT_PERMISSIONS
    id: str = field(default_factory=new_id)


def read_key_form(form: Form) -> KeyForm:
    """Return the fields of a posted form. An invalid id would be refused again and again."""
    id_ = form.get("id")
    return KeyForm(
        form.get("name"),
        form.get("kind"),
        form.get("role"),
        form.get("guild"),
        form.get("expires"),
        form.lists.get("scope", []),
        form.lists.get("permission", []),
        id_ if is_id(id_) else new_id(),
    )


def parse_key_form(
    form: KeyForm, kind: KeyKind, workspace: Workspace | None, time_zone: str | None
) -> KeyFields:
    """Return what a new key is for. Raises Invalid, which names every field that is wrong."""
    errors: dict[str, str] = {}
    name = _collect_errors(errors, parse_key_name, form.name)
    scopes = _collect_errors(errors, _parse_scopes, form.scopes)
    expires_at = _collect_errors(errors, parse_expiry, form.expires, time_zone)
    if errors or name is None or scopes is None:
        raise Invalid(next(iter(errors.values())), errors)
    permissions = parse_known_names(name or "" for name in form.permissions)
    return KeyFields(
        kind,
        name,
        scopes,
        workspace,
        form.role,
        int(reduce(or_, permissions, NO_PERMISSIONS)),
        expires_at,
        form.id,
    )


def _collect_errors(
    errors: dict[str, str], parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T | None:
    """Return what `parse` returns; None, and its errors among `errors`, if it raises Invalid."""
    try:
        return parse(*args, **kwargs)
    except Invalid as refusal:
        errors |= refusal.fields
        return None


def _parse_scopes(words: Collection[str]) -> list[Scope]:
    if not words or not set(words) <= set(SCOPES):
        sentence = gettext("Choose what the key may be used for.")
        raise Invalid(sentence, {"scopes": sentence})
    return [scope for scope in SCOPES if scope in words]


def parse_expiry(text: str, time_zone: str | None) -> Millis | None:
    """Return the end of a day such as `2027-03-01`; None for an empty text. Raises Invalid."""
    if not text.strip():
        return None
    try:
        return end_of_day(date.fromisoformat(text.strip()), time_zone)
    except (ValueError, OverflowError):
        sentence = gettext("Enter a day, such as 2027-03-01, or leave it empty.")
        raise Invalid(sentence, {"expires": sentence}) from None


def reader_time_zone(request: Request) -> str | None:
    """Return the time zone in which the person who asks enters days."""
    person = request_context(request).person
    return person.time_zone if person is not None else None


def key_form_context(
    form: KeyForm | None = None, refusal: Refusal | None = None, new_key: NewKey | None = None
) -> dict[str, Any]:
    """Return what `macros/keys.html` shows; `new_key` is shown with its token, this once."""
    return {
        "key_form": form or KeyForm(),
        "key_errors": refusal.fields if form is not None and isinstance(refusal, Invalid) else {},
        "scope_labels": translate_labels(SCOPE_LABELS),
        "new_key": new_key,
    }
