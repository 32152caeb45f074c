"""Invitations: the page behind a link, for whoever is signed in and for whoever has no account yet.

A GET changes nothing: mail scanners open every link they see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.accounts import people, rate_limit
from deskwire.accounts.passwords import parse_password
from deskwire.accounts.people import Person, parse_name
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Conflict, Forbidden, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.auth.sign_in import (
    NOT_OPEN,
    WELCOME_HEADERS,
    Login,
    form_page,
    parse_all,
    read_form,
    token_of,
)
from deskwire.web.context import act_as, go_on_in
from deskwire.web.dependencies import Site, visit_of
from deskwire.web.rendering.i18n import said
from deskwire.workspaces.organizations import invitations
from deskwire.workspaces.organizations.invitations import Invitation, lacks_proof, masked
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import ROLE_LABELS

TAKEN = N_("This address has an account. Sign in with it, then open this link again.")


@dataclass(frozen=True, slots=True)
class Found:
    """What a link invites to, and who is signed in."""

    place: Organization
    invitation: Invitation
    person: Person | None

    @property
    def is_for_other(self) -> bool:
        return self.person is not None and self.person.email != self.invitation.email


@dataclass(frozen=True, slots=True)
class InvitationPages:
    """`/invitations/{token}`."""

    site: Site
    login: Login

    async def show(self, request: Request) -> Response:
        """GET /invitations/{token}."""
        try:
            found = await self._find(request)
        except NotFound as refusal:
            return self._page(request, None, {}, refusal)
        return self._page(request, found, {})

    async def accept(self, request: Request) -> Response:
        """POST /invitations/{token}: who is signed in becomes a member, and goes on there; who is
        not gives name and password, and becomes one with an account of that address."""
        form, found = await read_form(request), None
        try:
            found = await self._find(request)
            if visit_of(request).person is None:
                return await self._enter(request, found, form)
            mails, secret = self.site.letters.works, token_of(request)
            place = await act_as(self.site, request, invitations.accept, secret, mails=mails)
            await go_on_in(self.site, request, place.id)
        except Refusal as refusal:
            return self._page(request, found, form, refusal)
        return RedirectResponse(place.href, 303, WELCOME_HEADERS)

    async def _enter(self, request: Request, found: Found, form: Mapping[str, str]) -> Response:
        login, email = self.login, found.invitation.email
        if self.site.sign_up == "closed":
            raise Forbidden(gettext(NOT_OPEN["closed"]))
        typed = parse_all(
            name=lambda: parse_name(form.get("name", "")),
            password=lambda: parse_password(form.get("password", ""), email),
        )
        visit, at, letters = login.browsers.visit_of(request), login.clock(), self.site.letters
        await login.db.write(rate_limit.count_sign_up, visit.address, at, login.limits)
        hash_ = await login.hasher.hash(typed["password"])
        letter = letters.verification(request) if letters.works else None
        enter, secret = invitations.enter, token_of(request)
        try:
            place, opened = await login.db.write(
                enter, secret, typed["name"], hash_, visit, at, letter
            )
        except Conflict as refusal:
            raise Conflict(gettext(TAKEN)) from refusal
        # Who has to prove the address first finds here what is left to do.
        href = place.href if place is not None else request.url.path
        return login.browsers.enter(RedirectResponse(href, 303, WELCOME_HEADERS), opened)

    async def _find(self, request: Request) -> Found:
        me, at = visit_of(request).person, self.login.clock()
        person = me.id if me is not None else None
        return await self.site.db.read(read_found, token_of(request), person, at)

    def _page(
        self,
        request: Request,
        found: Found | None,
        form: Mapping[str, str],
        refusal: Refusal | None = None,
    ) -> Response:
        more = {
            **_told(found, self.site.letters.works),
            "role_labels": said(ROLE_LABELS),
            "may_sign_up": self.site.sign_up != "closed",
        }
        page = form_page(self.login.render, request, "invitation.html", form, more, refusal)
        page.headers.update(WELCOME_HEADERS)
        return page


def read_found(tx: Connection, secret: str, person_id: str | None, at: Millis) -> Found:
    """At most three statements. NotFound where the link cannot be used any more."""
    place, invitation = invitations.find(tx, secret, at)
    return Found(place, invitation, people.find(tx, person_id) if person_id else None)


def _told(found: Found | None, mails: bool) -> dict[str, Any]:
    if found is None:
        return {"place": None, "role": None, "email": "", "is_other": False, "lacks_proof": False}
    invitation, person, is_other = found.invitation, found.person, found.is_for_other
    return {
        "place": found.place,
        "role": invitation.role,
        "email": masked(invitation.email) if is_other else invitation.email,
        "is_other": is_other,
        "lacks_proof": person is not None and lacks_proof(invitation, person, mails),
    }
