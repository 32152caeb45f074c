"""The administration's people: a list to search, and what may be done to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.kit.errors import Conflict, Forbidden, Invalid, Refusal, TooMany
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.actions import offboarding
from deskwire.web.auth.recovery import NO_MAIL
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Site, person_of
from deskwire.web.http.errors import status_of
from deskwire.web.http.forms import Form, done, read_form
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import staff
from deskwire.workspaces.organizations.directory import (
    GROUPS,
    Listed,
    find_people,
    parse_seek,
    read_person,
)
from deskwire.workspaces.organizations.permissions import (
    INTERNAL_ROLES,
    ROLE_LABELS,
    Right,
    rights_in,
)

GROUP_LABELS = {"all": N_("Everybody"), "team": N_("The team"), "deactivated": N_("Deactivated")}
DONE = {
    "role": N_("Their role is set."),
    "take-role": N_("They are of the team no more."),
    "deactivate": N_("Nobody signs in as them any more, and every browser is signed out."),
    "readmit": N_("They can sign in again."),
    "reset": N_("A link for a new password is on its way to them."),
    "link": N_("The Discord account is linked."),
    "unlink": N_("The Discord account is unlinked."),
}
PATH = "/admin/people"


@dataclass(frozen=True, slots=True)
class PeopleAdmin:
    """`/admin/people` and `/admin/people/{person}`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/people?q=&group=&after=."""
        seek = parse_seek(request.query_params)
        viewer, (found, after) = await read_as(self.site, request, find_people, seek)
        context = {
            "viewer": viewer,
            "found": found,
            "seek": seek,
            "groups": [(word, gettext(GROUP_LABELS[word])) for word in GROUPS],
            "role_labels": said(ROLE_LABELS),
            "next": _link(**{**seek.fields, "after": after}) if after else "",
            "first": _link(**{**seek.fields, "after": ""}),
        }
        return self.render(request, "admin_people.html", context)

    async def show(self, request: Request) -> Response:
        """GET /admin/people/{person}."""
        return await self._page(request)

    async def change(self, request: Request) -> Response:
        """POST /admin/people/{person} (act, …): one change; what it refuses is said on the page."""
        form, id_ = await read_form(request), _id(request)
        try:
            if form.get("act") == "reset":
                await self._send_reset(request, id_)
            else:
                await act_as(self.site, request, change_from, id_, form)
        except (Invalid, Conflict, Forbidden, TooMany) as refusal:
            return await self._page(request, refusal)
        return done(request, f"{PATH}/{id_}?{urlencode({'done': form.get('act')})}")

    async def _send_reset(self, request: Request, id_: str) -> None:
        letters = self.site.letters
        if not letters.works:
            raise Conflict(gettext(NO_MAIL))
        address = request.client.host if request.client else None
        compose = letters.reset(request)
        await act_as(self.site, request, staff.send_reset, id_, compose, address)

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        viewer, shown = await read_as(self.site, request, read_person, _id(request))
        status = 200 if refusal is None else status_of(refusal)
        told = said(DONE).get(request.query_params.get("done", "")) if refusal is None else None
        alert = {"alert": str(refusal) if refusal is not None else None, "done": told}
        context = {**_context(viewer, shown, person_of(request).id), **alert}
        context["mail_works"] = self.site.letters.works
        page = self.render(request, "admin_person.html", context, status=status)
        if isinstance(refusal, TooMany):
            page.headers["retry-after"] = str(refusal.retry_after)
        return page


def change_from(tx: Connection, deed: Deed, id_: str, form: Form) -> None:
    """What a form of somebody's page says."""
    match form.get("act"):
        case "role":
            staff.give_role(tx, deed, id_, form.get("role"))
        case "take-role":
            offboarding.take_role(tx, deed, id_)
        case "deactivate":
            offboarding.deactivate(tx, deed, id_)
        case "readmit":
            staff.readmit(tx, deed, id_)
        case "link":
            staff.link(tx, deed, id_, form.get("discord"))
        case "unlink":
            staff.unlink(tx, deed, id_)
        case _:
            raise Invalid(gettext("Nothing was to be changed. Choose something and try again."))


def _context(viewer: Viewer, shown: Listed, me: str) -> dict[str, Any]:
    rights = rights_in(viewer, None)
    is_me = shown.person.id == me
    of_the_team = shown.role is not None and Right.EMPLOY not in rights
    return {
        "viewer": viewer,
        "shown": shown,
        "who": shown.person,
        "is_me": is_me,
        "roles": [(role, gettext(ROLE_LABELS[role])) for role in INTERNAL_ROLES],
        "role_labels": said(ROLE_LABELS),
        "may_employ": Right.EMPLOY in rights and not is_me,
        "may_identify": Right.IDENTIFY in rights,
        "may_admit": Right.ACCOUNTS in rights and not is_me and not of_the_team,
    }


def _link(**fields: str) -> str:
    said = {name: value for name, value in fields.items() if value}
    return f"{PATH}?{urlencode(said)}" if said else PATH


def _id(request: Request) -> str:
    return str(request.path_params["person"])
