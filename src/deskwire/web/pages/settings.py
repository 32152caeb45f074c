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
from deskwire.accounts.people import parse_name, parse_theme, parse_time_zone
from deskwire.accounts.sessions import Session
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid, NotFound, Refusal, TooMany, Unauthenticated
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.actions import offboarding
from deskwire.tickets.data_export import pack, read_takeaway
from deskwire.web.auth.sign_in import Login, form_page, read_form, required
from deskwire.web.dependencies import Site, person_of, visit_of
from deskwire.web.http.user_agents import browser_name
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.time_zones import zones
from deskwire.workspaces.names import rename_person

DONE = {
    "name": N_("Your name is changed."),
    "display": N_("Saved."),
    "verified": N_("Your e-mail address is confirmed."),
    "mailed": N_("A new link is on its way."),
    "ended": N_("Signed out there."),
    "avatar": N_("Your picture is changed."),
    "no-avatar": N_("Your picture is removed."),
}
ASK_AGAIN = 60  # s; most are done by then
FILE = {
    "content-disposition": 'attachment; filename="deskwire-data.zip"',
    "content-type": "application/zip",
    "cache-control": "no-store",
}


class _Download(StreamingResponse):
    """One's data, on its way; `place` is given back when the last of it went, or whoever wanted it
    did."""

    def __init__(self, parts: AsyncIterator[bytes], place: ExitStack) -> None:
        super().__init__(parts, headers=FILE)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Browser:
    """A session as its person sees it."""

    id: str
    name: str
    address: str | None
    seen_at: Millis
    here: bool


@dataclass(frozen=True, slots=True)
class Oneself:
    """`/settings` and what is below it, but for the password."""

    site: Site
    login: Login
    downloading: set[PersonId] = field(default_factory=set)  # their data, from this process

    async def settings(self, request: Request) -> Response:
        """GET /settings."""
        return await self.page(request, {})

    async def name(self, request: Request) -> Response:
        """POST /settings/name (name)."""
        form = await read_form(request)
        try:
            name = parse_name(form.get("name", ""))
        except Refusal as refusal:
            return await self.page(request, form, refusal)
        me = person_of(request)
        if name != me.name:
            await self.site.db.write(rename_person, me.id, name, self.login.clock())
        return _done("name")

    async def display(self, request: Request) -> Response:
        """POST /settings/display (theme, time_zone): what is left out stays."""
        form, me = await read_form(request), await self._read_me(request)
        try:
            theme = parse_theme(form.get("theme", me.theme or "system"))
            zone = parse_time_zone(form.get("time_zone", me.time_zone or ""))
        except Refusal as refusal:
            return await self.page(request, form, refusal)
        at = self.login.clock()
        await self.site.db.write(people.show, me.id, theme=theme, time_zone=zone, at=at)
        return _done("display")

    async def verification(self, request: Request) -> Response:
        """POST /settings/verification: the link again."""
        me, login, letters = person_of(request), self.login, self.site.letters
        if not letters.works:
            raise NotFound(gettext("This desk sends no mail."))
        address = login.browsers.visit_of(request).address
        compose, at = letters.verification(request), login.clock()
        try:
            await self.site.db.write(
                mail_links.send_verification, me.id, compose, address, at, login.limits
            )
        except Refusal as refusal:
            return await self.page(request, {}, refusal)
        return _done("mailed")

    async def browsers(self, request: Request) -> Response:
        """POST /settings/browsers (session, or others): they are signed out, and hear no more."""
        form, me = await read_form(request), person_of(request)
        kept, at = _session_of(request), self.login.clock()
        if "others" in form:
            await self.site.db.write(sessions.end_others, me.id, kept, at=at)
        else:
            chosen = form.get("session", "")
            await self.site.db.write(sessions.end_own, me.id, chosen, at=at)
        return _done("ended")

    async def takeaway(self, request: Request) -> Response:
        """GET /settings/data: what is kept of oneself, and one's files, as an archive."""
        me = await self._read_me(request)
        if request.method == "HEAD":
            return Response(headers=FILE)
        if me.id in self.downloading:
            sentence = gettext("Your data is being downloaded already. Wait until that is done.")
            raise TooMany(sentence, ASK_AGAIN)
        at, access, db = self.login.clock(), self.site.access, self.site.db
        with ExitStack() as place:
            self.downloading.add(me.id)
            place.callback(self.downloading.discard, me.id)
            await db.write(rate_limit.count_download, me.id, at)
            found = await db.read(read_takeaway, access, me.id, at)
            parts = pack(self.site.uploads.store, found, me.avatar)
            return _Download(parts, place.pop_all())

    async def departure_form(self, request: Request) -> Response:
        """GET /settings/delete."""
        return await self._departure_page(request)

    async def departure(self, request: Request) -> Response:
        """POST /settings/delete (password, or name where there is none): the account is gone."""
        form, me = await read_form(request), await self._read_me(request)
        try:
            if await self.site.db.read(passwords.read_hash, me.id) is None:
                _check_name(form, me)
                await self.site.db.write(offboarding.depart, me.id, self.login.clock())
            else:
                await self._depart_by_password(request, form, me)
        except Refusal as refusal:
            return await self._departure_page(request, refusal)
        return self.login.browsers.leave(RedirectResponse("/?done=departed", 303))

    async def _depart_by_password(
        self, request: Request, form: Mapping[str, str], me: people.Person
    ) -> None:
        login, db = self.login, self.site.db
        password = required(form, "password", gettext("Write your password."))
        address = login.browsers.visit_of(request).address
        knock = await db.write(
            authentication.knock, me.email or "", address, login.clock(), login.limits
        )
        is_right = await login.is_right(knock, password)
        if not is_right or not await db.write(offboarding.depart_by, knock, login.clock()):
            sentence = gettext("This is not your password.")
            raise Invalid(sentence, {"password": sentence})

    async def _read_me(self, request: Request) -> people.Person:
        me = await self.site.db.read(people.find, person_of(request).id)
        if me is None:
            raise Unauthenticated(gettext("Sign in to see this page."))
        return me

    async def _departure_page(self, request: Request, refusal: Refusal | None = None) -> Response:
        me = await self._read_me(request)
        has_password = await self.site.db.read(passwords.read_hash, me.id) is not None
        more = {"person": me, "has_password": has_password}
        return form_page(self.login.render, request, "delete_account.html", {}, more, refusal)

    async def page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        """All of it, with what was typed and what was refused of it."""
        me = person_of(request)
        more = await self.site.db.read(_read_settings, me.id, _session_of(request))
        done = said(DONE).get(request.query_params.get("done", "")) if refusal is None else None
        shown = {**more, "zones": zones(), "mail_works": self.site.letters.works, "done": done}
        values = form if refusal is not None else {}
        return form_page(self.login.render, request, "settings.html", values, shown, refusal)


def _read_settings(tx: Connection, person_id: str, session_id: str) -> dict[str, Any]:
    person = people.find(tx, person_id)
    accounts = [tuple(each.split(":", 1)) for each in identities.principals_of(tx, person_id)]
    browsers = [_browser(each, session_id) for each in sessions.read_own(tx, person_id)]
    return {"person": person, "accounts": accounts, "browsers": browsers}


def _browser(session: Session, here: str) -> Browser:
    name = browser_name(session.user_agent)
    return Browser(session.id, name, session.address, session.seen_at, session.id == here)


def _session_of(request: Request) -> str:
    session = visit_of(request).session
    return session.id if session is not None else ""


def _check_name(form: Mapping[str, str], me: people.Person) -> None:
    if " ".join(form.get("name", "").split()) != me.name:
        sentence = gettext("Write your name as it stands here: %(me)s", me=me.name)
        raise Invalid(sentence, {"name": sentence})


def _done(what: str) -> Response:
    return RedirectResponse(f"/settings?done={what}", 303)
