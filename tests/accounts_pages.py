"""The pages of the door over a database, with browsers in front of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http.cookies import SimpleCookie
from pathlib import Path

import httpx2
from jinja2 import ChoiceLoader, DictLoader, Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

import deskwire.web
from deskwire.accounts import passwords
from deskwire.accounts.passwords import Hasher
from deskwire.accounts.people import Person
from deskwire.kit.db import Database
from deskwire.web.auth.mail_templates import Letters
from deskwire.web.auth.recovery import Recovery
from deskwire.web.auth.sessions import BrowserSessions, RenewCookies
from deskwire.web.auth.sign_in import Login
from deskwire.web.dependencies import SignUp
from deskwire.web.http.middleware import guard
from deskwire.web.rendering.i18n import translate
from tests.accounts_house import (
    CHEAP,
    NOON,
    RIGHT,
    ToldClock,
    move_in,
)
from tests.databases import new_database

DESK = "https://desk.test"
LETTERS = Letters(DESK, "sent")
COOKIE = "__Host-deskwire"
FRAME = "<title>{% block title %}{% endblock %}</title>{% block main %}{% endblock %}"
TEMPLATES = translate(
    Environment(
        loader=ChoiceLoader(
            [
                DictLoader({"base.html": FRAME}),
                FileSystemLoader(Path(str(deskwire.web.__file__)).parent / "templates"),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
    )
)


def render(
    _request: Request, name: str, context: Mapping[str, object], /, *, status: int = 200
) -> Response:
    return HTMLResponse(TEMPLATES.get_template(name).render(context), status)


@dataclass
class House:
    """The pages over a database, with a browser in front."""

    db: Database
    clock: ToldClock
    browsers: BrowserSessions
    login: Login
    hasher: Hasher

    def browser(
        self, login: Login | None = None, address: str = "192.0.2.7", desk: str = DESK
    ) -> httpx2.AsyncClient:
        door = login or self.login
        recovery = Recovery(door, door.letters)

        async def who(request: Request) -> PlainTextResponse:
            signed_in = await door.browsers.current(request)
            return PlainTextResponse(signed_in.person.name if signed_in else "nobody")

        app = Starlette(
            routes=[
                Route("/", who),
                Route("/sign-in", door.sign_in_form, methods=["GET"]),
                Route("/sign-in", door.sign_in, methods=["POST"]),
                Route("/sign-up", door.sign_up_form, methods=["GET"]),
                Route("/sign-up", door.sign_up, methods=["POST"]),
                Route("/sign-out", door.sign_out, methods=["POST"]),
                Route("/welcome/{token}", door.welcome_form, methods=["GET"]),
                Route("/welcome/{token}", door.welcome, methods=["POST"]),
                Route("/forgot-password", recovery.forgot_form, methods=["GET"]),
                Route("/forgot-password", recovery.forgot, methods=["POST"]),
                Route("/reset/{token}", recovery.reset_form, methods=["GET"]),
                Route("/reset/{token}", recovery.reset, methods=["POST"]),
                Route("/verify/{token}", recovery.verify_form, methods=["GET"]),
                Route("/verify/{token}", recovery.verify, methods=["POST"]),
                Route("/settings/password", door.password_form, methods=["GET"]),
                Route("/settings/password", door.password, methods=["POST"]),
            ]
        )
        transport = httpx2.ASGITransport(
            guard(RenewCookies(app, door.browsers), desk), client=(address, 1)
        )
        return httpx2.AsyncClient(transport=transport, base_url=desk, headers={"origin": desk})

    def mode(self, mode: SignUp) -> Login:
        return replace(self.login, sign_up_mode=mode)

    async def move_in(self, name: str = "Ada") -> Person:
        """A person with the right password."""
        person = move_in(self.db, name)
        self.db.write_here(passwords.store, person.id, await self.hasher.hash(RIGHT), NOON)
        return person


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    """A house of its own, with sign-up open."""
    db, clock, hasher = new_database(folder), ToldClock(), Hasher(CHEAP)
    browsers = BrowserSessions(db, secure=True, clock=clock)
    login = Login(db, browsers, hasher, render, sign_up_mode="open", clock=clock, letters=LETTERS)
    yield House(db, clock, browsers, login, hasher)
    hasher.close()
    db.close()


def sign_in_form(
    password: str = RIGHT, email: str = "ada@desk.test", **more: str
) -> dict[str, str]:
    return {"email": email, "password": password, **more}


def cookie_of(answer: httpx2.Response) -> dict[str, str]:
    """The attributes of the one cookie an answer sets, its value under `value`."""
    [line] = answer.headers.get_list("set-cookie")
    [(name, morsel)] = SimpleCookie(line).items()
    given = {key: str(value) for key, value in morsel.items() if value}
    return {"name": name, "value": morsel.value, **given}
