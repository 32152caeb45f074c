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
from deskwire.accounts.people import Person, mask_email, parse_name
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Conflict, Forbidden, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.auth.sign_in import (
    SECRET_LINK_HEADERS,
    SIGN_UP_REFUSALS,
    AccountPages,
    link_token,
    parse_fields,
    read_urlencoded_form,
    render_form_page,
)
from deskwire.web.context import act_as, set_active_organization
from deskwire.web.dependencies import Dependencies, request_context
from deskwire.web.rendering.i18n import translate_labels
from deskwire.workspaces.organizations import invitation_acceptance, invitations
from deskwire.workspaces.organizations.invitation_acceptance import needs_email_proof
from deskwire.workspaces.organizations.invitations import Invitation
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import ROLE_LABELS

EMAIL_TAKEN = N_("This address has an account. Sign in with it, then open this link again.")


@dataclass(frozen=True, slots=True)
class InvitationView:
    """What a link invites to, and who is signed in."""

    organization: Organization
    invitation: Invitation
    person: Person | None

    @property
    def is_for_other_person(self) -> bool:
        return self.person is not None and self.person.email != self.invitation.email


@dataclass(frozen=True, slots=True)
class InvitationPages:
    """`/invitations/{token}`."""

    deps: Dependencies
    account_pages: AccountPages

    async def show(self, request: Request) -> Response:
        """GET /invitations/{token}."""
        try:
            found = await self._read_view(request)
        except NotFound as refusal:
            return self._page(request, None, {}, refusal)
        return self._page(request, found, {})

    async def accept(self, request: Request) -> Response:
        """POST /invitations/{token}: who is signed in becomes a member, and goes on there; who is
        not gives name and password, and becomes one with an account of that address."""
        form, found = await read_urlencoded_form(request), None
        try:
            found = await self._read_view(request)
            if request_context(request).person is None:
                return await self._sign_up_and_accept(request, found, form)
            mails, secret = self.deps.mail_templates.is_enabled, link_token(request)
            place = await act_as(
                self.deps, request, invitation_acceptance.accept, secret, sends_mail=mails
            )
            await set_active_organization(self.deps, request, place.id)
        except Refusal as refusal:
            return self._page(request, found, form, refusal)
        return RedirectResponse(place.href, 303, SECRET_LINK_HEADERS)

    async def _sign_up_and_accept(
        self, request: Request, view: InvitationView, form: Mapping[str, str]
    ) -> Response:
        login, email = self.account_pages, view.invitation.email
        if self.deps.sign_up == "closed":
            raise Forbidden(gettext(SIGN_UP_REFUSALS["closed"]))
        typed = parse_fields(
            name=lambda: parse_name(form.get("name", "")),
            password=lambda: parse_password(form.get("password", ""), email),
        )
        visit, at, letters = (
            login.browsers.client_info(request),
            login.clock(),
            self.deps.mail_templates,
        )
        await login.db.write(rate_limit.count_sign_up, visit.client_ip, at, login.limits)
        hash_ = await login.hasher.hash(typed["password"])
        letter = letters.verification_mail(request) if letters.is_enabled else None
        enter, secret = invitation_acceptance.sign_up_and_accept, link_token(request)
        try:
            place, opened = await login.db.write(
                enter, secret, typed["name"], hash_, visit, at, letter
            )
        except Conflict as refusal:
            raise Conflict(gettext(EMAIL_TAKEN)) from refusal
        # Who has to prove the address first finds here what is left to do.
        href = place.href if place is not None else request.url.path
        return login.browsers.set_cookie(RedirectResponse(href, 303, SECRET_LINK_HEADERS), opened)

    async def _read_view(self, request: Request) -> InvitationView:
        me, at = request_context(request).person, self.account_pages.clock()
        person = me.id if me is not None else None
        return await self.deps.db.read(read_invitation_view, link_token(request), person, at)

    def _page(
        self,
        request: Request,
        view: InvitationView | None,
        form: Mapping[str, str],
        refusal: Refusal | None = None,
    ) -> Response:
        more = {
            **_page_values(view, self.deps.mail_templates.is_enabled),
            "role_labels": translate_labels(ROLE_LABELS),
            "can_sign_up": self.deps.sign_up != "closed",
        }
        page = render_form_page(
            self.account_pages.render, request, "invitation.html", form, more, refusal
        )
        page.headers.update(SECRET_LINK_HEADERS)
        return page


def read_invitation_view(
    tx: Connection, secret: str, person_id: str | None, at: Millis
) -> InvitationView:
    """At most three statements. NotFound where the link cannot be used any more."""
    place, invitation = invitations.find_by_token(tx, secret, at)
    return InvitationView(place, invitation, people.find(tx, person_id) if person_id else None)


def _page_values(view: InvitationView | None, sends_mail: bool) -> dict[str, Any]:
    if view is None:
        return {
            "organization": None,
            "role": None,
            "email": "",
            "is_for_other_person": False,
            "needs_verification": False,
        }
    invitation, person, is_other = view.invitation, view.person, view.is_for_other_person
    return {
        "organization": view.organization,
        "role": invitation.role,
        "email": mask_email(invitation.email) if is_other else invitation.email,
        "is_for_other_person": is_other,
        "needs_verification": person is not None
        and needs_email_proof(invitation, person, sends_mail),
    }
