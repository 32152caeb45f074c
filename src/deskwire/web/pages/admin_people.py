"""The administration's people: a list to search, and what may be done to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.kit.errors import Conflict, Forbidden, Invalid, RateLimited, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.actions import offboarding
from deskwire.web.auth.recovery import NO_MAIL_DETAIL
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.http.errors import status_of
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import staff
from deskwire.workspaces.organizations.directory import (
    GROUPS,
    DirectoryPerson,
    parse_directory_filter,
    read_person,
    search_people,
)
from deskwire.workspaces.organizations.permissions import (
    INTERNAL_ROLES,
    ROLE_LABELS,
    Permission,
    permissions_in,
)

GROUP_LABELS = {"all": N_("Everybody"), "team": N_("The team"), "deactivated": N_("Deactivated")}
DONE_MESSAGES = {
    "role": N_("Their role is set."),
    "take-role": N_("They are of the team no more."),
    "deactivate": N_("Nobody signs in as them any more, and every browser is signed out."),
    "readmit": N_("They can sign in again."),
    "reset": N_("A link for a new password is on its way to them."),
    "link": N_("The Discord account is linked."),
    "unlink": N_("The Discord account is unlinked."),
}
BASE_PATH = "/admin/people"


@dataclass(frozen=True, slots=True)
class PeopleAdminPages:
    """`/admin/people` and `/admin/people/{person}`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/people?q=&group=&after=."""
        seek = parse_directory_filter(request.query_params)
        viewer, (found, after) = await read_as(self.deps, request, search_people, seek)
        context = {
            "viewer": viewer,
            "people": found,
            "filters": seek,
            "groups": [(word, gettext(GROUP_LABELS[word])) for word in GROUPS],
            "role_labels": translate_labels(ROLE_LABELS),
            "next": _list_url(**{**seek.query_params, "after": after}) if after else "",
            "first": _list_url(**{**seek.query_params, "after": ""}),
        }
        return self.render(request, "admin_people.html", context)

    async def show(self, request: Request) -> Response:
        """GET /admin/people/{person}."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/people/{person} (act, …): one change; what it refuses is said on the page."""
        form, id_ = await read_form(request), _person_id(request)
        try:
            if form.get("act") == "reset":
                await self._send_reset(request, id_)
            else:
                await act_as(self.deps, request, apply_form, id_, form)
        except (Invalid, Conflict, Forbidden, RateLimited) as refusal:
            return await self._page(request, refusal)
        return respond_done(request, f"{BASE_PATH}/{id_}?{urlencode({'done': form.get('act')})}")

    async def _send_reset(self, request: Request, id_: str) -> None:
        letters = self.deps.mail_templates
        if not letters.is_enabled:
            raise Conflict(gettext(NO_MAIL_DETAIL))
        address = request.client.host if request.client else None
        compose = letters.reset_mail(request)
        await act_as(self.deps, request, staff.send_password_link, id_, compose, address)

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        viewer, shown = await read_as(self.deps, request, read_person, _person_id(request))
        status = 200 if refusal is None else status_of(refusal)
        told = (
            translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
            if refusal is None
            else None
        )
        alert = {"alert": str(refusal) if refusal is not None else None, "done": told}
        context = {**_context(viewer, shown, require_person(request).id), **alert}
        context["mail_works"] = self.deps.mail_templates.is_enabled
        page = self.render(request, "admin_person.html", context, status=status)
        if isinstance(refusal, RateLimited):
            page.headers["retry-after"] = str(refusal.retry_after)
        return page


def apply_form(tx: Connection, actor: Actor, id_: str, form: Form) -> None:
    """What a form of somebody's page says."""
    match form.get("act"):
        case "role":
            staff.set_staff_role(tx, actor, id_, form.get("role"))
        case "take-role":
            offboarding.remove_staff(tx, actor, id_)
        case "deactivate":
            offboarding.deactivate_person(tx, actor, id_)
        case "readmit":
            staff.reactivate(tx, actor, id_)
        case "link":
            staff.link_discord_account(tx, actor, id_, form.get("discord"))
        case "unlink":
            staff.unlink_discord_account(tx, actor, id_)
        case _:
            raise Invalid(gettext("Nothing was to be changed. Choose something and try again."))


def _context(viewer: Viewer, listed: DirectoryPerson, viewer_id: str) -> dict[str, Any]:
    rights = permissions_in(viewer, None)
    is_me = listed.person.id == viewer_id
    of_the_team = listed.staff_role is not None and Permission.EMPLOY not in rights
    return {
        "viewer": viewer,
        "listed": listed,
        "person": listed.person,
        "is_me": is_me,
        "roles": [(role, gettext(ROLE_LABELS[role])) for role in INTERNAL_ROLES],
        "role_labels": translate_labels(ROLE_LABELS),
        "can_manage_team": Permission.EMPLOY in rights and not is_me,
        "can_link_identities": Permission.IDENTIFY in rights,
        "can_manage_access": Permission.ACCOUNTS in rights and not is_me and not of_the_team,
    }


def _list_url(**fields: str) -> str:
    said = {name: value for name, value in fields.items() if value}
    return f"{BASE_PATH}?{urlencode(said)}" if said else BASE_PATH


def _person_id(request: Request) -> str:
    return str(request.path_params["person"])
