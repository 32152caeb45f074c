"""Wire the whole application from the settings into one ASGI application.

request → ProxyHeaders (who the client is) → Door (signed webhooks)
        → middleware (headers, origin, size) → cookies → pages and API
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.types import ASGIApp

from deskwire import __version__
from deskwire.accounts.passwords import Hasher
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.i18n import activate
from deskwire.kit.i18n_loader import read_catalog
from deskwire.kit.open_store import open_store
from deskwire.realtime.hub import Hub
from deskwire.server.mail import build_mail_templates
from deskwire.server.metrics import Metrics
from deskwire.server.open_database import OpenedDatabase
from deskwire.server.proxy_headers import ProxyHeaders
from deskwire.server.services import ACCESS, NO_SERVICES, ServiceFunctions, Services, run_services
from deskwire.settings import Settings
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.api.stream_access import build_streams
from deskwire.web.auth.sessions import BrowserSessions, RenewCookies
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.delivery_store import DeliveryStore
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import exception_handlers
from deskwire.web.http.middleware import UploadLimit, add_middleware
from deskwire.web.key_authentication import KeyAuthentication
from deskwire.web.local_requests import LocalRequests
from deskwire.web.metrics_token import MetricsAccess
from deskwire.web.pages.health import HealthPages
from deskwire.web.rendering.render import Renderer
from deskwire.web.routes import build_routes, upload_matcher, url_table
from deskwire.webhooks import deliveries
from deskwire.webhooks.door import Door, Intake

MEGABYTE = 1_000_000  # bytes, as browsers and phones count them
FILES_PER_FORM = 4  # files of the largest size; without JavaScript one form sends them all


class Application:
    """The application of one process: serve `asgi`; `hub` exists once that has started."""

    def __init__(
        self,
        settings: Settings,
        opened: OpenedDatabase,
        extra_services: ServiceFunctions = NO_SERVICES,
    ) -> None:
        self.settings = settings
        self._opened = opened
        self._extra_services = extra_services
        self._services: Services | None = None
        self._metrics: Metrics | None = None
        self._door = self._build_door()
        self.asgi = ProxyHeaders(self._door, settings.proxy_addresses)

    @property
    def hub(self) -> Hub:
        """The hub. Raises RuntimeError if the application has not started."""
        return self._running.hub

    def drain(self) -> None:
        """End every stream and log the door's response counts, before the process shuts down."""
        self._door.log_responses()
        if self._services is not None:
            self._services.hub.drain()

    @property
    def _running(self) -> Services:
        if self._services is None:
            raise RuntimeError("the application has not started")
        return self._services

    async def _find_problems(self) -> list[str]:
        return await self._running.readiness.find_problems()

    def _list_notes(self) -> Sequence[str]:
        return self._running.readiness.notes

    def _list_local_notes(self) -> Sequence[str]:
        return self.asgi.list_notes()

    async def _read_metrics(self) -> bytes:
        if self._metrics is None:
            self._metrics = Metrics(
                self._running,
                lambda: self._door.responses,
                __version__,
                lambda: self.asgi.ignored,
            )
        return await self._metrics.render()

    def _get_intake(self) -> Intake:
        return self._running.intake

    def _build_door(self) -> Door:
        settings, db = self.settings, self._opened.db
        # Before any template is compiled: templates are compiled in the active language.
        activate(read_catalog(settings.desk_language))
        sources = [BotSource(settings.bot_secrets)]
        browsers = BrowserSessions(db, secure=settings.public_url.startswith("https://"))
        key_authentication = KeyAuthentication(db)
        hasher = Hasher()

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            async with run_services(
                settings, self._opened, sources, self._extra_services
            ) as services:
                self._services = services
                yield
            self._services = None
            hasher.close()
            dependencies.texts.close()

        uploads = Uploads(db, open_store(settings.files_url), settings.max_file_mb * MEGABYTE)
        dependencies = Dependencies(
            db=db,
            access=ACCESS,
            hub=lambda: self.hub,
            find_signed_in=browsers.find_signed_in,
            key_authentication=key_authentication,
            metrics_access=_build_metrics_access(settings),
            uploads=uploads,
            deliveries=build_delivery_store(lambda: self._running.worker.wake()),
            public_url=settings.public_url,
            sign_up=settings.sign_up,
            debug=settings.sse_debug,
            version=__version__,
            mail_templates=build_mail_templates(settings),
            reopen_days=settings.reopen_days,
        )
        renderer, mails = Renderer(dependencies), dependencies.mail_templates
        account_pages = AccountPages(
            db, browsers, hasher, renderer.render, settings.sign_up, mail_templates=mails
        )
        health = self._build_health_pages()
        parts = (
            dependencies,
            renderer,
            account_pages,
            self._build_streams(browsers, key_authentication),
            health,
        )
        app = Starlette(
            lifespan=lifespan,
            routes=build_routes(*parts),
            exception_handlers=dict(exception_handlers(dependencies, renderer.render)),
        )
        app.router.redirect_slashes = False  # `/guilds/` is answered with 404
        app.state.site = dependencies
        max_bytes = uploads.max_file_bytes * FILES_PER_FORM
        upload_limit = UploadLimit(upload_matcher(url_table(*parts)), max_bytes)
        protected = _add_middleware(RenewCookies(app, browsers), settings, upload_limit)
        return Door(protected, sources, self._get_intake)

    def _build_health_pages(self) -> HealthPages:
        return HealthPages(
            self._find_problems,
            self._read_metrics,
            self._list_notes,
            self._list_local_notes,
            LocalRequests(self.settings.host),
        )

    def _build_streams(
        self, browsers: BrowserSessions, key_authentication: KeyAuthentication
    ) -> dict[str, ASGIApp]:
        identify_key, identify_browser = key_authentication.identify, browsers.identify
        return build_streams(
            self._opened.db, ACCESS, lambda: self.hub, identify_key, identify_browser
        )


def build_delivery_store(wake_worker: Callable[[], None]) -> DeliveryStore:
    """Build the pages' access to deliveries; `wake_worker` wakes the worker after a replay."""
    return DeliveryStore(
        states=deliveries.DELIVERY_STATES,
        find_newest=deliveries.list_summaries,
        read_sources=deliveries.list_sources,
        read_one=deliveries.read_delivery,
        replay=deliveries.replay,
        dismiss=deliveries.dismiss,
        wake_worker=wake_worker,
    )


def _add_middleware(app: ASGIApp, settings: Settings, upload_limit: UploadLimit) -> ASGIApp:
    return add_middleware(
        app,
        settings.public_url or None,
        upload_limit,
        LocalRequests(settings.host),
        settings.cors_origin_list,
    )


def _build_metrics_access(settings: Settings) -> MetricsAccess:
    token = settings.metrics_token.get_secret_value().strip()
    is_development = settings.environment == "development"
    return MetricsAccess(token, LocalRequests(settings.host) if is_development else None)
