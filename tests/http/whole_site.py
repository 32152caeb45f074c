"""A whole site over the standing cast: real routes, pages and database; only the cookie is not.

`browse(site, ADA)` is a browser in which Ada is signed in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from deskwire.accounts import people
from deskwire.accounts.passwords import Cost, Hasher
from deskwire.events import log
from deskwire.events.access import Answer
from deskwire.kit.store import Disk
from deskwire.realtime.buffer import Window
from deskwire.realtime.endpoint import Stream
from deskwire.realtime.hub import Hub
from deskwire.server.app import deliveries_of
from deskwire.server.services import ACCESS
from deskwire.tickets.actions.update import REOPEN_DAYS
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.api.stream_access import among_organizations
from deskwire.web.auth.metrics_token import Operators
from deskwire.web.auth.sessions import BrowserSessions
from deskwire.web.auth.sign_in import Login
from deskwire.web.dependencies import SignedIn, Site
from deskwire.web.http.errors import handlers
from deskwire.web.pages.health import Health
from deskwire.web.rendering.render import Renderer
from deskwire.web.routes import Url, routes, urls
from tests.cast import CAST, Actor, House

MAX_FILE = 3_000_000  # bytes
AS = "x-signed-in-as"  # what stands in for a cookie: the actor's e-mail address


@dataclass(frozen=True)
class Known:
    """A person, or a session, as pages need them."""

    id: str
    name: str = ""
    email: str | None = None
    theme: str | None = None
    time_zone: str | None = None
    picture: str | None = None
    email_verified_at: int | None = None
    organization: str | None = None


class WholeSite:
    """The application, and what it was built from."""

    def __init__(self, house: House, *, reopen_days: int = REOPEN_DAYS) -> None:
        self.house = house
        self.problems: list[str] = []
        self.everybody: list[Actor] = list(CAST)
        self.hub = _hub(house)
        self.site = Site(
            db=house.db,
            access=ACCESS,
            hub=lambda: self.hub,
            current=self._current,
            operators=Operators("", trusts_here=True),
            deliveries=deliveries_of(lambda: None),
            uploads=Uploads(house.db, Disk(house.folder / "files"), MAX_FILE),
            public_url="http://testserver",
            sign_up="invited",
            debug=False,
            version="0",
            reopen_days=reopen_days,
        )
        renderer = Renderer(self.site)
        browsers = BrowserSessions(house.db, secure=False)
        hasher = Hasher(Cost(memory_kib=8, passes=1, lanes=1))
        login = Login(house.db, browsers, hasher, renderer.render)
        of_requests = among_organizations(house.db, ACCESS, browsers.identify)
        streams = {
            "all": Stream("all", lambda: self.hub, browsers.identify),
            "guilds": Stream("guilds", lambda: self.hub, browsers.identify),
            "requests": Stream("requests", lambda: self.hub, of_requests),
        }
        health = Health(self._find_problems, self._read_figures)
        parts = (self.site, renderer, login, streams, health)
        self.urls: Sequence[Url] = urls(*parts)
        self.app = Starlette(
            routes=routes(*parts), exception_handlers=handlers(self.site, renderer.render)
        )
        self.app.state.site = self.site

    async def _current(self, request: HTTPConnection) -> SignedIn | None:
        actor = next((a for a in self.everybody if a.email == request.headers.get(AS)), None)
        if actor is None:
            return None
        person = Known(self.house.id_of(actor), actor.name, actor.email)
        if self.site.letters.works:  # else no page asks, and those that are counted read no more
            row = await self.house.db.read(people.find, person.id)
            proven = None if row is None else row.email_verified_at
            person = replace(person, email_verified_at=proven)
        return person, Known(f"session-of-{actor.name}"), (f"discord:{actor.discord}",)

    async def _find_problems(self) -> list[str]:
        return self.problems

    async def _read_figures(self) -> bytes:
        return b""


def browse(site: WholeSite, actor: Actor | None = None, **headers: str) -> TestClient:
    """A browser; somebody is signed in, or nobody."""
    own = {"accept": "text/html", **headers} | ({AS: actor.email} if actor else {})
    return TestClient(site.app, headers=own, follow_redirects=False, raise_server_exceptions=False)


def _hub(house: House) -> Hub:
    window = Window()
    window.start([], house.db.read_here(log.read_head))

    async def authorise(_people: Collection[str], _sessions: Collection[str]) -> Answer:
        return Answer({}, {})

    async def read_after(_position: int, _limit: int) -> list[log.Entry]:
        return []

    return Hub(house.db.read_here(log.read_epoch), window, authorise, read_after)
