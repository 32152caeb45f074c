"""Oneself: name, address, browsers, how pages look, one's data, and the end of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
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
from deskwire.web.auth.sign_in import (
    AccountPages,
    read_urlencoded_form,
    render_form_page,
    require_field,
)
from deskwire.web.dependencies import Dependencies, request_context, require_person
from deskwire.web.http.user_agents import describe_user_agent
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.time_zones import time_zones_by_region
from deskwire.workspaces.name_changes import rename_person

DONE_MESSAGES = {
    "name": N_("Your name is changed."),
    "display": N_("Saved."),
    "verified": N_("Your e-mail address is confirmed."),
    "mailed": N_("A new link is on its way."),
    "ended": N_("Signed out there."),
    "avatar": N_("Your picture is changed."),
    "no-avatar": N_("Your picture is removed."),
}
RETRY_AFTER = 60  # s; most are done by then
DOWNLOAD_HEADERS = {
    "content-disposition": 'attachment; filename="deskwire-data.zip"',
    "content-type": "application/zip",
    "cache-control": "no-store",
}


class _ArchiveResponse(StreamingResponse):
    """One's data, on its way; `place` is given back when the last of it went, or whoever wanted it
    did."""

    def __init__(self, parts: AsyncIterator[bytes], cleanup: ExitStack) -> None:
        super().__init__(parts, headers=DOWNLOAD_HEADERS)
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
    """`/settings` and what is below it, but for the password."""

    deps: Dependencies
    account_pages: AccountPages
    downloading: set[PersonId] = field(default_factory=set)  # their data, from this process

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
        me = require_person(request)
        if name != me.name:
            await self.deps.db.write(rename_person, me.id, name, self.account_pages.clock())
        return _redirect_done("name")

    async def change_display(self, request: Request) -> Response:
        """POST /settings/display (theme, time_zone): what is left out stays."""
        form, me = await read_urlencoded_form(request), await self._read_person(request)
        try:
            theme = parse_theme(form.get("theme", me.theme or "system"))
            zone = parse_time_zone(form.get("time_zone", me.time_zone or ""))
        except Refusal as refusal:
            return await self.render_page(request, form, refusal)
        at = self.account_pages.clock()
        await self.deps.db.write(set_preferences, me.id, theme=theme, time_zone=zone, at=at)
        return _redirect_done("display")

    async def send_verification(self, request: Request) -> Response:
        """POST /settings/verification: the link again."""
        me, login, letters = require_person(request), self.account_pages, self.deps.mail_templates
        if not letters.is_enabled:
            raise NotFound(gettext("This desk sends no mail."))
        address = login.browsers.client_info(request).client_ip
        compose, at = letters.verification_mail(request), login.clock()
        try:
            await self.deps.db.write(
                mail_links.send_verification_link, me.id, compose, address, at, login.limits
            )
        except Refusal as refusal:
            return await self.render_page(request, {}, refusal)
        return _redirect_done("mailed")

    async def end_sessions(self, request: Request) -> Response:
        """POST /settings/browsers (session, or others): they are signed out, and hear no more."""
        form, me = await read_urlencoded_form(request), require_person(request)
        kept, at = _session_id(request), self.account_pages.clock()
        if "others" in form:
            await self.deps.db.write(sessions.revoke_others, me.id, kept, at=at)
        else:
            chosen = form.get("session", "")
            await self.deps.db.write(sessions.revoke_own, me.id, chosen, at=at)
        return _redirect_done("ended")

    async def download_data(self, request: Request) -> Response:
        """GET /settings/data: what is kept of oneself, and one's files, as an archive."""
        me = await self._read_person(request)
        if request.method == "HEAD":
            return Response(headers=DOWNLOAD_HEADERS)
        if me.id in self.downloading:
            sentence = gettext("Your data is being downloaded already. Wait until that is done.")
            raise RateLimited(sentence, RETRY_AFTER)
        at, access, db = self.account_pages.clock(), self.deps.access, self.deps.db
        with ExitStack() as place:
            self.downloading.add(me.id)
            place.callback(self.downloading.discard, me.id)
            await db.write(rate_limit.count_data_export, me.id, at)
            found = await db.read(read_data_export, access, me.id, at)
            parts = stream_archive(self.deps.uploads.store, found, me.avatar)
            return _ArchiveResponse(parts, place.pop_all())

    async def delete_account_form(self, request: Request) -> Response:
        """GET /settings/delete."""
        return await self._delete_account_page(request)

    async def delete_account(self, request: Request) -> Response:
        """POST /settings/delete (password, or name where there is none): the account is gone."""
        form, me = await read_urlencoded_form(request), await self._read_person(request)
        try:
            if await self.deps.db.read(passwords.read_hash, me.id) is None:
                _require_own_name(form, me)
                await self.deps.db.write(
                    offboarding.delete_account, me.id, self.account_pages.clock()
                )
            else:
                await self._delete_with_password(request, form, me)
        except Refusal as refusal:
            return await self._delete_account_page(request, refusal)
        return self.account_pages.browsers.clear_cookie(RedirectResponse("/?done=departed", 303))

    async def _delete_with_password(
        self, request: Request, form: Mapping[str, str], person: people.Person
    ) -> None:
        login, db = self.account_pages, self.deps.db
        password = require_field(form, "password", gettext("Write your password."))
        address = login.browsers.client_info(request).client_ip
        knock = await db.write(
            authentication.begin_sign_in, person.email or "", address, login.clock(), login.limits
        )
        is_right = await login.verify_password(knock, password)
        if not is_right or not await db.write(
            offboarding.delete_account_if_confirmed, knock, login.clock()
        ):
            sentence = gettext("This is not your password.")
            raise Invalid(sentence, {"password": sentence})

    async def _read_person(self, request: Request) -> people.Person:
        me = await self.deps.db.read(people.find, require_person(request).id)
        if me is None:
            raise Unauthenticated(gettext("Sign in to see this page."))
        return me

    async def _delete_account_page(
        self, request: Request, refusal: Refusal | None = None
    ) -> Response:
        me = await self._read_person(request)
        has_password = await self.deps.db.read(passwords.read_hash, me.id) is not None
        more = {"person": me, "has_password": has_password}
        return render_form_page(
            self.account_pages.render, request, "delete_account.html", {}, more, refusal
        )

    async def render_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        """All of it, with what was typed and what was refused of it."""
        me = require_person(request)
        more = await self.deps.db.read(_read_settings, me.id, _session_id(request))
        done = (
            translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
            if refusal is None
            else None
        )
        shown = {
            **more,
            "time_zones": time_zones_by_region(),
            "mail_works": self.deps.mail_templates.is_enabled,
            "done": done,
        }
        values = form if refusal is not None else {}
        return render_form_page(
            self.account_pages.render, request, "settings.html", values, shown, refusal
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
        sentence = gettext("Write your name as it stands here: %(me)s", me=person.name)
        raise Invalid(sentence, {"name": sentence})


def _redirect_done(message_key: str) -> Response:
    return RedirectResponse(f"/settings?done={message_key}", 303)
