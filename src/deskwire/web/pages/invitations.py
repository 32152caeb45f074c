"""Accept invitations, as a signed-in person or with a new account.

A GET changes nothing, because mail scanners open every link they see.
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
from deskwire.web.auth.form_pages import (
    SECRET_LINK_HEADERS,
    link_token,
    parse_fields,
    render_form_page,
)
from deskwire.web.auth.sign_in import SIGN_UP_REFUSALS, AccountPages
from deskwire.web.context import act_as, request_context, set_active_organization
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.forms import read_urlencoded_form
from deskwire.web.i18n import translate_labels
from deskwire.workspaces.organizations import invitation_acceptance, invitations
from deskwire.workspaces.organizations.invitation_acceptance import needs_email_proof
from deskwire.workspaces.organizations.invitations import Invitation
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import ROLE_LABELS

EMAIL_TAKEN = N_(
    "There’s already an account with this address. Sign in, then open this link again."
)


@dataclass(frozen=True, slots=True)
class InvitationView:
    """The invitation behind a link, and who is signed in."""

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
            view = await self._read_view(request)
        except NotFound as refusal:
            return self._page(request, None, {}, refusal)
        return self._page(request, view, {})

    async def accept(self, request: Request) -> Response:
        """POST /invitations/{token} (name, password if signed out).

        A signed-in person becomes a member, and the organization becomes their active one. A
        signed-out one gets an account with the invited address first.
        """
        form, view = await read_urlencoded_form(request), None
        try:
            view = await self._read_view(request)
            if request_context(request).person is None:
                return await self._sign_up_and_accept(request, view, form)
            organization = await act_as(
                self.deps,
                request,
                invitation_acceptance.accept,
                link_token(request),
                sends_mail=self.deps.mail_templates.is_enabled,
            )
            await set_active_organization(self.deps, request, organization.id)
        except Refusal as refusal:
            return self._page(request, view, form, refusal)
        return RedirectResponse(organization.href, 303, SECRET_LINK_HEADERS)

    async def _sign_up_and_accept(
        self, request: Request, view: InvitationView, form: Mapping[str, str]
    ) -> Response:
        pages, email = self.account_pages, view.invitation.email
        if self.deps.sign_up == "closed":
            raise Forbidden(gettext(SIGN_UP_REFUSALS["closed"]))
        fields = parse_fields(
            name=lambda: parse_name(form.get("name", "")),
            password=lambda: parse_password(form.get("password", ""), email),
        )
        browser, at = pages.browsers.client_info(request), pages.clock()
        await pages.db.write(rate_limit.count_sign_up, browser.client_ip, at, pages.limits)
        hash_ = await pages.hasher.hash(fields["password"])
        mails = self.deps.mail_templates
        try:
            organization, new_session = await pages.db.write(
                invitation_acceptance.sign_up_and_accept,
                link_token(request),
                fields["name"],
                hash_,
                browser,
                at,
                mails.verification_mail(request) if mails.is_enabled else None,
            )
        except Conflict as refusal:
            raise Conflict(gettext(EMAIL_TAKEN)) from refusal
        # A person who must verify the address first stays on this page, which says so.
        href = organization.href if organization is not None else request.url.path
        response = RedirectResponse(href, 303, SECRET_LINK_HEADERS)
        return pages.browsers.set_cookie(response, new_session)

    async def _read_view(self, request: Request) -> InvitationView:
        person, at = request_context(request).person, self.account_pages.clock()
        person_id = person.id if person is not None else None
        return await self.deps.db.read(read_invitation_view, link_token(request), person_id, at)

    def _page(
        self,
        request: Request,
        view: InvitationView | None,
        form: Mapping[str, str],
        refusal: Refusal | None = None,
    ) -> Response:
        extra = {
            **_page_values(view, self.deps.mail_templates.is_enabled),
            "role_labels": translate_labels(ROLE_LABELS),
            "can_sign_up": self.deps.sign_up != "closed",
        }
        page = render_form_page(
            self.account_pages.render, request, "invitation.html", form, extra, refusal
        )
        page.headers.update(SECRET_LINK_HEADERS)
        return page


def read_invitation_view(
    tx: Connection, token: str, person_id: str | None, at: Millis
) -> InvitationView:
    """Read an invitation in at most three statements. Raises NotFound if it is not valid now."""
    organization, invitation = invitations.find_by_token(tx, token, at)
    person = people.find(tx, person_id) if person_id else None
    return InvitationView(organization, invitation, person)


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
