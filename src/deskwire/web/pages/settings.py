"""Serve the settings page: name, email address, appearance, sessions, data export, deletion."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from deskwire.accounts import (
    authentication,
    identities,
    mail_links,
    passwords,
    people,
    rate_limit,
    sessions,
)
from deskwire.accounts.people import parse_name
from deskwire.accounts.preferences import parse_theme, parse_time_zone, set_preferences
from deskwire.accounts.sessions import Session
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid, NotFound, RateLimited, Refusal, Unauthenticated
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.actions import offboarding
from deskwire.tickets.data_export import read_data_export, stream_archive
from deskwire.web.auth.form_pages import render_form_page, require_field
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.context import request_context, require_person
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.forms import read_urlencoded_form
from deskwire.web.http.store_responses import StoreResponse, read_ahead
from deskwire.web.http.user_agents import describe_user_agent
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.time_zones import time_zones_by_region
from deskwire.workspaces.name_changes import rename_person

DONE_MESSAGES = {
    "name": N_("Name changed."),
    "display": N_("Saved."),
    "verified": N_("Email address confirmed."),
    "mailed": N_("We sent you a new link."),
    "ended": N_("Signed out of that browser."),
    "avatar": N_("Picture changed."),
    "no-avatar": N_("Picture removed."),
}
RETRY_AFTER = 60  # s; most exports are done by then
DOWNLOAD_HEADERS = {
    "content-disposition": 'attachment; filename="deskwire-data.zip"',
    "content-type": "application/zip",
    "cache-control": "no-store",
}


class _ArchiveResponse(StoreResponse):
    """Stream a data export; run `cleanup` when it is complete or the client disconnects."""

    def __init__(self, chunks: AsyncIterator[bytes], cleanup: ExitStack) -> None:
        super().__init__(chunks, headers=DOWNLOAD_HEADERS)
        self._cleanup = cleanup

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._cleanup:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A session as its person sees it."""

    id: str
    name: str
    address: str | None
    seen_at: Millis
    is_current: bool


@dataclass(frozen=True, slots=True)
class SettingsPages:
    """`/settings` and the pages below it, except for the password and the avatar."""

    deps: Dependencies
    account_pages: AccountPages
    downloading: set[PersonId] = field(default_factory=set)  # who exports data in this process

    async def index(self, request: Request) -> Response:
        """GET /settings."""
        return await self.render_page(request, {})

    async def change_name(self, request: Request) -> Response:
        """POST /settings/name (name)."""
        form = await read_urlencoded_form(request)
        try:
            name = parse_name(form.get("name", ""))
        except Refusal as refusal:
            return await self.render_page(request, form, refusal)
        person = require_person(request)
        if name != person.name:
            await self.deps.db.write(rename_person, person.id, name, self.account_pages.clock())
        return _redirect_done("name")

    async def change_display(self, request: Request) -> Response:
        """POST /settings/display (theme, time_zone); a missing field stays as it is."""
        form, person = await read_urlencoded_form(request), await self._read_person(request)
        try:
            theme = parse_theme(form.get("theme", person.theme or "system"))
            time_zone = parse_time_zone(form.get("time_zone", person.time_zone or ""))
        except Refusal as refusal:
            return await self.render_page(request, form, refusal)
        at = self.account_pages.clock()
        await self.deps.db.write(
            set_preferences, person.id, theme=theme, time_zone=time_zone, at=at
        )
        return _redirect_done("display")

    async def send_verification(self, request: Request) -> Response:
        """POST /settings/verification: mail the verification link again."""
        pages, mails = self.account_pages, self.deps.mail_templates
        if not mails.is_enabled:
            raise NotFound(gettext("This server doesn’t send email."))
        try:
            await self.deps.db.write(
                mail_links.send_verification_link,
                require_person(request).id,
                mails.verification_mail(request),
                pages.browsers.client_info(request).client_ip,
                pages.clock(),
                pages.limits,
            )
        except Refusal as refusal:
            return await self.render_page(request, {}, refusal)
        return _redirect_done("mailed")

    async def end_sessions(self, request: Request) -> Response:
        """POST /settings/browsers (session, or others): end them, and with them their streams."""
        form, person_id = await read_urlencoded_form(request), require_person(request).id
        at = self.account_pages.clock()
        if "others" in form:
            current_id = _session_id(request)
            await self.deps.db.write(sessions.revoke_others, person_id, current_id, at=at)
        else:
            session_id = form.get("session", "")
            await self.deps.db.write(sessions.revoke_own, person_id, session_id, at=at)
        return _redirect_done("ended")

    async def download_data(self, request: Request) -> Response:
        """GET /settings/data: the person's data and files, as a ZIP archive."""
        person = await self._read_person(request)
        if request.method == "HEAD":
            return Response(headers=DOWNLOAD_HEADERS)
        if person.id in self.downloading:
            message = gettext("Your data is already being downloaded. Wait until it’s done.")
            raise RateLimited(message, RETRY_AFTER)
        at, access, db = self.account_pages.clock(), self.deps.access, self.deps.db
        with ExitStack() as cleanup:
            self.downloading.add(person.id)
            cleanup.callback(self.downloading.discard, person.id)
            await db.write(rate_limit.count_data_export, person.id, at)
            export = await db.read(read_data_export, access, person.id, at)
            archive = stream_archive(self.deps.uploads.store, export, person.avatar)
            chunks = await read_ahead(archive)
            return _ArchiveResponse(chunks, cleanup.pop_all())

    async def delete_account_form(self, request: Request) -> Response:
        """GET /settings/delete."""
        return await self._delete_account_page(request)

    async def delete_account(self, request: Request) -> Response:
        """POST /settings/delete (password, or name for accounts without one): delete the account.

        The password is checked again in the transaction that deletes.
        """
        form, person = await read_urlencoded_form(request), await self._read_person(request)
        try:
            if await self.deps.db.read(passwords.read_hash, person.id) is None:
                _require_own_name(form, person)
                await self.deps.db.write(
                    offboarding.delete_account, person.id, self.account_pages.clock()
                )
            else:
                await self._delete_with_password(request, form, person)
        except Refusal as refusal:
            return await self._delete_account_page(request, refusal)
        return self.account_pages.browsers.clear_cookie(RedirectResponse("/?done=departed", 303))

    async def _delete_with_password(
        self, request: Request, form: Mapping[str, str], person: people.Person
    ) -> None:
        pages, db = self.account_pages, self.deps.db
        password = require_field(form, "password", gettext("Enter your password."))
        client_ip = pages.browsers.client_info(request).client_ip
        attempt = await db.write(
            authentication.begin_sign_in, person.email or "", client_ip, pages.clock(), pages.limits
        )
        is_right = await pages.verify_password(attempt, password)
        if not is_right or not await db.write(
            offboarding.delete_account_if_confirmed, attempt, pages.clock()
        ):
            message = gettext("That isn’t your password.")
            raise Invalid(message, {"password": message})

    async def _read_person(self, request: Request) -> people.Person:
        person = await self.deps.db.read(people.find, require_person(request).id)
        if person is None:
            raise Unauthenticated(gettext("Sign in to see this page."))
        return person

    async def _delete_account_page(
        self, request: Request, refusal: Refusal | None = None
    ) -> Response:
        person = await self._read_person(request)
        has_password = await self.deps.db.read(passwords.read_hash, person.id) is not None
        extra = {"person": person, "has_password": has_password}
        return render_form_page(
            self.account_pages.render, request, "delete_account.html", {}, extra, refusal
        )

    async def render_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        """Render the settings page; after a refusal, with the submitted values and errors."""
        settings = await self.deps.db.read(
            _read_settings, require_person(request).id, _session_id(request)
        )
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        extra = {
            **settings,
            "time_zones": time_zones_by_region(),
            "mail_works": self.deps.mail_templates.is_enabled,
            "done": done if refusal is None else None,
        }
        values = form if refusal is not None else {}
        return render_form_page(
            self.account_pages.render, request, "settings.html", values, extra, refusal
        )


def _read_settings(tx: Connection, person_id: str, session_id: str) -> dict[str, Any]:
    person = people.find(tx, person_id)
    accounts = [tuple(each.split(":", 1)) for each in identities.read_principals(tx, person_id)]
    browsers = [
        _browser_session(each, session_id) for each in sessions.list_sessions(tx, person_id)
    ]
    return {"person": person, "linked_accounts": accounts, "browsers": browsers}


def _browser_session(session: Session, current_id: str) -> BrowserSession:
    name = describe_user_agent(session.user_agent)
    return BrowserSession(
        session.id, name, session.address, session.seen_at, session.id == current_id
    )


def _session_id(request: Request) -> str:
    session = request_context(request).session
    return session.id if session is not None else ""


def _require_own_name(form: Mapping[str, str], person: people.Person) -> None:
    if " ".join(form.get("name", "").split()) != person.name:
        message = gettext("Enter your name exactly as shown: %(me)s", me=person.name)
        raise Invalid(message, {"name": message})


def _redirect_done(message_key: str) -> Response:
    return RedirectResponse(f"/settings?done={message_key}", 303)
