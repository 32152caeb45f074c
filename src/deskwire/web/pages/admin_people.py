"""Administer people: search them, change their role or access, link Discord accounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.kit.errors import Conflict, Forbidden, Invalid, RateLimited, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.actions import offboarding
from deskwire.web.auth.recovery import NO_MAIL_DETAIL
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import status_of
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.list_links import url_with_query
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

GROUP_LABELS = {
    "all": N_("Everyone"),
    "team": N_("Team members"),
    "deactivated": N_("Deactivated"),
    "undeliverable": N_("Email refused"),
}
DONE_MESSAGES = {
    "role": N_("Role changed."),
    "take-role": N_("Removed from the team."),
    "deactivate": N_("Account deactivated and signed out everywhere."),
    "readmit": N_("Account reactivated."),
    "reset": N_("Link for a new password sent."),
    "retry-address": N_("Email is sent to this address again."),
    "link": N_("Discord account linked."),
    "unlink": N_("Discord account unlinked."),
}
BASE_PATH = "/admin/people"


@dataclass(frozen=True, slots=True)
class PeopleAdminPages:
    """`/admin/people` and `/admin/people/{person}`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/people?q=&group=&after=."""
        filters = parse_directory_filter(request.query_params)
        viewer, (people, after) = await read_as(self.deps, request, search_people, filters)
        first_page = {**filters.query_params, "after": ""}
        context = {
            "viewer": viewer,
            "people": people,
            "filters": filters,
            "groups": [(group, gettext(GROUP_LABELS[group])) for group in GROUPS],
            "role_labels": translate_labels(ROLE_LABELS),
            "next": url_with_query(BASE_PATH, {**first_page, "after": after}) if after else "",
            "first": url_with_query(BASE_PATH, first_page),
        }
        return self.render(request, "admin_people.html", context)

    async def show(self, request: Request) -> Response:
        """GET /admin/people/{person}."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/people/{person} (act, …): make one change; a refusal is shown on the page."""
        form, id_ = await read_form(request), _person_id(request)
        action = form.get("act")
        try:
            if action == "reset":
                await self._send_reset(request, id_)
            else:
                await act_as(self.deps, request, apply_form, id_, form)
        except (Invalid, Conflict, Forbidden, RateLimited) as refusal:
            return await self._page(request, refusal)
        return respond_done(request, url_with_query(f"{BASE_PATH}/{id_}", {"done": action}))

    async def _send_reset(self, request: Request, id_: str) -> None:
        mails = self.deps.mail_templates
        if not mails.is_enabled:
            raise Conflict(gettext(NO_MAIL_DETAIL))
        client_ip = request.client.host if request.client else None
        compose = mails.reset_mail(request)
        await act_as(self.deps, request, staff.send_password_link, id_, compose, client_ip)

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        viewer, listed = await read_as(self.deps, request, read_person, _person_id(request))
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {
            **_context(viewer, listed),
            "alert": str(refusal) if refusal is not None else None,
            "done": done if refusal is None else None,
            "mail_works": self.deps.mail_templates.is_enabled,
        }
        status = 200 if refusal is None else status_of(refusal)
        page = self.render(request, "admin_person.html", context, status=status)
        if isinstance(refusal, RateLimited):
            page.headers["retry-after"] = str(refusal.retry_after)
        return page


def apply_form(tx: Connection, actor: Actor, id_: str, form: Form) -> None:
    """Make the change that a person's form asks for. Raises Invalid if it asks for none."""
    match form.get("act"):
        case "role":
            staff.set_staff_role(tx, actor, id_, form.get("role"))
        case "take-role":
            offboarding.remove_staff(tx, actor, id_)
        case "deactivate":
            offboarding.deactivate_person(tx, actor, id_)
        case "readmit":
            staff.reactivate(tx, actor, id_)
        case "retry-address":
            staff.retry_address(tx, actor, id_)
        case "link":
            staff.link_discord_account(tx, actor, id_, form.get("discord"))
        case "unlink":
            staff.unlink_discord_account(tx, actor, id_)
        case _:
            raise Invalid(gettext("Nothing to change. Choose something and try again."))


def _context(viewer: Viewer, listed: DirectoryPerson) -> dict[str, Any]:
    permissions = permissions_in(viewer, None)
    is_me = listed.person.id == viewer.subject
    is_protected_staff = listed.staff_role is not None and Permission.EMPLOY not in permissions
    return {
        "viewer": viewer,
        "listed": listed,
        "person": listed.person,
        "is_me": is_me,
        "roles": [(role, gettext(ROLE_LABELS[role])) for role in INTERNAL_ROLES],
        "role_labels": translate_labels(ROLE_LABELS),
        "can_manage_team": Permission.EMPLOY in permissions and not is_me,
        "can_retry_address": Permission.RETRY_ADDRESSES in permissions,
        "can_link_identities": Permission.IDENTIFY in permissions,
        "can_manage_access": Permission.ACCOUNTS in permissions
        and not is_me
        and not is_protected_staff,
    }


def _person_id(request: Request) -> str:
    return str(request.path_params["person"])
