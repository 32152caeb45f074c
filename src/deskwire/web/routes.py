"""List every URL with its policy: who may request it. A URL that is not in this table is a 404.

    public       everyone; the session is not read
    anyone       everyone; the page knows whether someone is signed in
    signed-in    signed-in people; others are redirected to sign in, programs get 401
    session      as signed-in, checked by the stream endpoint itself
    signature    senders of webhooks; `webhooks.door` checks it in front of this application
    operator     clients with METRICS_TOKEN (web/metrics_token.py)
    development  browsers on this machine, on a desk that sends no mail (web/mail_templates.py)

Rows with `keys` also accept an API key (web/key_authentication.py) instead of a session.

A policy says who may ask; what they see is decided by `access` and the domains' `visible_to`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, compile_path
from starlette.types import ASGIApp

from deskwire.kit.errors import Unauthenticated
from deskwire.kit.i18n import gettext
from deskwire.web.api.routes import api_rows
from deskwire.web.auth.recovery import RecoveryPages
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.context import request_context, set_request_context
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.assets import Assets
from deskwire.web.key_authentication import required_scope
from deskwire.web.pages.admin_deliveries import DeliveriesAdminPages
from deskwire.web.pages.admin_dispatches import DispatchesAdminPages
from deskwire.web.pages.admin_integrations import IntegrationsAdminPages
from deskwire.web.pages.admin_keys import KeysAdminPages
from deskwire.web.pages.admin_organizations import OrganizationsAdminPages
from deskwire.web.pages.admin_people import PeopleAdminPages
from deskwire.web.pages.avatars import AvatarPages
from deskwire.web.pages.dashboard import DashboardPages
from deskwire.web.pages.dev_mailbox import MailboxPages
from deskwire.web.pages.files import FilePages
from deskwire.web.pages.guilds import GuildPages
from deskwire.web.pages.health import HealthPages
from deskwire.web.pages.invitations import InvitationPages
from deskwire.web.pages.landing import LandingPages
from deskwire.web.pages.organization_switcher import OrganizationSwitcherPages
from deskwire.web.pages.organizations import OrganizationPages
from deskwire.web.pages.request_detail import RequestDetailPages
from deskwire.web.pages.request_list import RequestListPages
from deskwire.web.pages.request_new import RequestNewPages
from deskwire.web.pages.settings import SettingsPages
from deskwire.web.pages.tickets import TicketPages
from deskwire.web.rendering.render import Renderer
from deskwire.web.url import Endpoint, Url


def url_table(
    deps: Dependencies,
    renderer: Renderer,
    account_pages: AccountPages,
    streams: Mapping[str, ASGIApp],
    health: HealthPages,
) -> tuple[Url, ...]:
    """Build the table."""
    guilds = GuildPages(deps, renderer.render)
    tickets = TicketPages(deps, renderer.render)
    files = FilePages(deps)
    return (
        Url("/", "anyone", LandingPages(deps, renderer.render).index),
        Url("/dashboard", "signed-in", DashboardPages(deps, renderer.render).index),
        Url("/guilds", "signed-in", guilds.index),
        Url("/guilds/{guild}", "signed-in", guilds.overview),
        Url("/guilds/{guild}/tickets", "signed-in", tickets.index),
        Url("/guilds/{guild}/tickets/{number}", "signed-in", tickets.show),
        *_portal_rows(deps, renderer),
        *_admin_rows(deps, renderer, account_pages),
        Url("/files", "signed-in", post=files.upload, files="any", keys=True),
        Url("/files/{file}", "signed-in", files.download, keys=True),
        Url("/files/{file}/thumbnail", "signed-in", files.thumbnail, keys=True),
        *_account_rows(deps, account_pages),
        Url("/mail", "development", MailboxPages(deps, renderer.render).index),
        *api_rows(deps, renderer, streams),
        Url("/api/webhooks/bot/events", "signature"),
        Url("/healthz", "public", health.alive),
        Url("/readyz", "public", health.ready),
        Url("/metrics", "operator", health.metrics),
        Url("/static", "public", app=Assets()),
    )


def _portal_rows(deps: Dependencies, renderer: Renderer) -> tuple[Url, ...]:
    """Build the rows of requests and organizations."""
    requests = RequestListPages(deps, renderer.render)
    new_request = RequestNewPages(deps, renderer.render)
    one = RequestDetailPages(deps, renderer.render)
    orgs = OrganizationPages(deps, renderer.render)
    switcher = OrganizationSwitcherPages(deps, renderer.render)
    return (
        Url("/requests", "signed-in", requests.index),
        Url("/requests/new", "signed-in", new_request.new, new_request.create, files="parts"),
        Url("/requests/{request}", "signed-in", one.show, one.apply_change),
        Url("/requests/{request}/messages", "signed-in", post=one.post_message, files="parts"),
        Url(
            "/requests/{request}/messages/{message}",
            "signed-in",
            one.message_form,
            one.edit_message,
        ),
        Url("/requests/{request}/messages/{message}/delete", "signed-in", post=one.delete_message),
        Url("/requests/{request}/files/{file}/delete", "signed-in", post=one.remove_file),
        Url("/requests/{request}/read", "signed-in", post=one.mark_read),
        Url("/requests/{request}/delete", "signed-in", post=one.delete),
        Url("/admin", "signed-in", requests.admin_index),
        Url("/preview", "signed-in", post=one.preview_markdown),
        Url("/organizations", "signed-in", switcher.index, switcher.choose),
        Url("/create-organization", "signed-in", orgs.new, orgs.create),
        Url("/orgs/{slug}", "signed-in", orgs.overview),
        Url("/orgs/{slug}/settings", "signed-in", orgs.settings, orgs.apply_change),
    )


def _admin_rows(
    deps: Dependencies, renderer: Renderer, account_pages: AccountPages
) -> tuple[Url, ...]:
    """Build the rows of the administration, invitations and avatars."""
    people = PeopleAdminPages(deps, renderer.render)
    organizations = OrganizationsAdminPages(deps, renderer.render)
    deliveries = DeliveriesAdminPages(deps, renderer.render)
    dispatches = DispatchesAdminPages(deps, renderer.render)
    integrations = IntegrationsAdminPages(deps, renderer.render)
    keys = KeysAdminPages(deps, renderer.render)
    invitations = InvitationPages(deps, account_pages)
    avatars = AvatarPages(deps, account_pages)
    return (
        Url("/admin/people", "signed-in", people.index),
        Url("/admin/people/{person}", "signed-in", people.show, people.apply_change),
        Url("/admin/organizations", "signed-in", organizations.index),
        Url("/admin/deliveries", "signed-in", deliveries.index),
        Url("/admin/deliveries/{delivery}", "signed-in", deliveries.show, deliveries.apply_change),
        Url("/admin/dispatches", "signed-in", dispatches.index, dispatches.apply_bulk),
        Url("/admin/dispatches/{dispatch}", "signed-in", dispatches.show, dispatches.apply_change),
        Url("/admin/integrations", "signed-in", integrations.index, integrations.apply_change),
        Url("/admin/keys", "signed-in", keys.index, keys.apply_change),
        Url("/invitations/{token}", "anyone", invitations.show, invitations.accept),
        Url("/settings/avatar", "signed-in", post=avatars.change, files="parts"),
        Url("/avatars/{avatar}", "signed-in", avatars.show),
    )


def _account_rows(deps: Dependencies, account_pages: AccountPages) -> tuple[Url, ...]:
    """Build the rows of settings, sign-in, sign-up and mailed links."""
    settings = SettingsPages(deps, account_pages)
    recovery = RecoveryPages(account_pages, deps.mail_templates)
    return (
        Url("/settings", "signed-in", settings.index),
        Url("/settings/name", "signed-in", post=settings.change_name),
        Url("/settings/display", "signed-in", post=settings.change_display),
        Url("/settings/verification", "signed-in", post=settings.send_verification),
        Url("/settings/browsers", "signed-in", post=settings.end_sessions),
        Url("/settings/data", "signed-in", settings.download_data),
        Url("/settings/delete", "signed-in", settings.delete_account_form, settings.delete_account),
        Url(
            "/settings/password",
            "signed-in",
            account_pages.change_password_form,
            account_pages.change_password,
        ),
        Url("/sign-in", "public", account_pages.sign_in_form, account_pages.sign_in),
        Url("/sign-up", "public", account_pages.sign_up_form, account_pages.sign_up),
        Url("/sign-out", "public", post=account_pages.sign_out),
        Url("/welcome/{token}", "public", account_pages.welcome_form, account_pages.welcome),
        Url("/forgot-password", "public", recovery.forgot_password_form, recovery.request_reset),
        Url("/reset/{token}", "public", recovery.reset_password_form, recovery.reset_password),
        Url("/verify/{token}", "public", recovery.verify_email_form, recovery.verify_email),
    )


def build_routes(
    deps: Dependencies,
    renderer: Renderer,
    account_pages: AccountPages,
    streams: Mapping[str, ASGIApp],
    health: HealthPages,
) -> list[BaseRoute]:
    """Build Starlette's routes from the table; each enforces its policy."""
    urls = url_table(deps, renderer, account_pages, streams, health)
    return [route for url in urls for route in _build_url_routes(deps, url)]


def upload_matcher(urls: Sequence[Url]) -> Callable[[str, bool], bool]:
    """Return the predicate `takes_files` of `UploadLimit`.

    It gets the path of a request and whether its body is multipart.
    """
    rules = [(compile_path(url.path)[0], url.files) for url in urls if url.files != "none"]

    def takes_files(path: str, is_multipart: bool) -> bool:
        return any(regex.match(path) and (is_multipart or files == "any") for regex, files in rules)

    return takes_files


def _build_url_routes(deps: Dependencies, url: Url) -> Sequence[BaseRoute]:
    if url.path == "/static":
        return [Mount(url.path, url.app)]
    if url.app is not None:
        return [Route(url.path, url.app)]
    if url.methods:
        return [Route(url.path, enforce_policy(deps, url), methods=list(url.methods))]
    return []


async def _identify_caller(deps: Dependencies, url: Url, request: Request) -> None:
    """Store who makes the request, and the cursor of the log before any row is read for it."""
    cursor = str(deps.hub().cursor)
    if url.keys:
        key = await deps.key_authentication.find_key(request, required_scope(request.method))
        if key is not None:
            on_behalf_of = deps.key_authentication.read_on_behalf_of(request, key)
            set_request_context(request, None, cursor, key, on_behalf_of)
            return
    set_request_context(request, await deps.find_signed_in(request), cursor)


def enforce_policy(deps: Dependencies, url: Url) -> Endpoint:
    """Wrap the endpoints of a URL so that its policy is checked before they run.

    The cursor is read here, before any row: a page never misses an event after its state.
    """

    async def respond(request: Request) -> Response:
        match url.policy:
            case "anyone" | "signed-in":
                await _identify_caller(deps, url, request)
            case "operator":
                if refusal := deps.metrics_access.check(request):
                    return refusal
            case "development":
                deps.mail_templates.require_local_mailbox(request)
                set_request_context(request, await deps.find_signed_in(request), None)
            case "public" | "session" | "signature":
                pass
            case _:
                assert_never(url.policy)
        if url.policy == "signed-in" and request_context(request).subject is None:
            raise Unauthenticated(gettext("Sign in to see this page."))
        method = "GET" if request.method == "HEAD" else request.method
        response = await url.methods[method](request)
        if (key := request_context(request).key) is not None:
            response.headers.update(deps.key_authentication.rate_limit_headers(key))
        return response

    return respond
