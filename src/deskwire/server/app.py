"""The only wiring: settings in, one ASGI application out.

request → Door (signed webhooks) → guards (headers, origin, size) → cookies → pages and API
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from deskwire import __version__
from deskwire.accounts.passwords import Hasher
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.i18n import speak
from deskwire.kit.i18n_loader import read_catalogue
from deskwire.kit.open_store import open_store
from deskwire.realtime.endpoint import Stream
from deskwire.realtime.hub import Hub
from deskwire.server.metrics import Metrics
from deskwire.server.services import ACCESS, NOTHING, Opened, Runs, Services, running
from deskwire.settings import Settings
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.api.stream_access import among_organizations
from deskwire.web.auth.mail_templates import Letters
from deskwire.web.auth.metrics_token import Operators
from deskwire.web.auth.sessions import BrowserSessions, RenewCookies
from deskwire.web.auth.sign_in import Login
from deskwire.web.delivery_store import Deliveries
from deskwire.web.dependencies import Site
from deskwire.web.http.errors import handlers
from deskwire.web.http.middleware import RoomForFiles, guard
from deskwire.web.pages.health import Health
from deskwire.web.rendering.render import Renderer
from deskwire.web.routes import routes, takes_files, urls
from deskwire.webhooks import deliveries
from deskwire.webhooks.door import Door, Intake

MEGABYTE = 1_000_000  # bytes, as browsers and telephones count them
FILES_PER_FORM = 4  # of the largest size; a page without scripts sends them all with its text


class Application:
    """One process of Deskwire: call it as ASGI; `hub` is there once it has started."""

    def __init__(self, settings: Settings, opened: Opened, beside: Runs = NOTHING) -> None:
        self.settings = settings
        self._opened = opened
        self._beside = beside
        self._services: Services | None = None
        self._metrics: Metrics | None = None
        self.asgi = self._build()

    @property
    def hub(self) -> Hub:
        return self._running.hub

    def drain(self) -> None:
        """End every stream, and sum up the door; the process is going down."""
        self.asgi.log_answers()
        if self._services is not None:
            self._services.hub.drain()

    @property
    def _running(self) -> Services:
        if self._services is None:
            raise RuntimeError("the application has not started")
        return self._services

    async def _find_problems(self) -> list[str]:
        return await self._running.find_problems()

    async def _read_figures(self) -> bytes:
        if self._metrics is None:
            self._metrics = Metrics(self._running, lambda: self.asgi.answers, __version__)
        return await self._metrics.read()

    def _intake(self) -> Intake:
        return self._running.intake

    def _build(self) -> Door:
        settings, db = self.settings, self._opened.db
        speak(read_catalogue(settings.desk_language))  # before any template is compiled
        sources = [BotSource(settings.bot_secrets)]
        browsers = BrowserSessions(db, secure=settings.public_url.startswith("https://"))
        hasher = Hasher()

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            async with running(settings, self._opened, sources, self._beside) as services:
                self._services = services
                yield
            self._services = None
            hasher.close()

        uploads = Uploads(db, open_store(settings.files_url), settings.max_file_mb * MEGABYTE)
        site = Site(
            db=db,
            access=ACCESS,
            hub=lambda: self.hub,
            current=browsers.current,
            operators=_operators(settings),
            uploads=uploads,
            deliveries=deliveries_of(lambda: self._running.worker.ring()),
            public_url=settings.public_url,
            sign_up=settings.sign_up,
            debug=settings.sse_debug,
            version=__version__,
            letters=_letters(settings),
            reopen_days=settings.reopen_days,
        )
        renderer = Renderer(site)
        login = Login(db, browsers, hasher, renderer.render, settings.sign_up, letters=site.letters)
        of_requests = among_organizations(db, ACCESS, browsers.identify)
        streams = {
            "all": Stream("all", lambda: self.hub, browsers.identify),
            "guilds": Stream("guilds", lambda: self.hub, browsers.identify),
            "requests": Stream("requests", lambda: self.hub, of_requests),
        }
        health = Health(self._find_problems, self._read_figures)
        parts = (site, renderer, login, streams, health)
        app = Starlette(
            lifespan=lifespan,
            routes=routes(*parts),
            exception_handlers=dict(handlers(site, renderer.render)),
        )
        app.router.redirect_slashes = False  # `/guilds/` does not exist, and says so plainly
        app.state.site = site
        room = RoomForFiles(takes_files(urls(*parts)), uploads.limit * FILES_PER_FORM)
        guarded = guard(RenewCookies(app, browsers), settings.public_url or None, room)
        return Door(guarded, sources, self._intake)


def deliveries_of(ring: Callable[[], None]) -> Deliveries:
    """What pages may do with deliveries; `ring` wakes whoever works them out."""
    return Deliveries(
        states=deliveries.STATES,
        find=deliveries.find,
        read_sources=deliveries.read_sources,
        read_one=deliveries.read_one,
        replay=deliveries.replay,
        dismiss=deliveries.dismiss,
        ring=ring,
    )


def _operators(settings: Settings) -> Operators:
    token = settings.metrics_token.get_secret_value().strip()
    return Operators(token, trusts_here=settings.environment == "development")


def _letters(settings: Settings) -> Letters:
    if settings.relay is not None:
        return Letters(settings.public_url, "sent")
    is_kept = settings.environment == "development"
    return Letters(settings.public_url, "kept" if is_kept else "off")
