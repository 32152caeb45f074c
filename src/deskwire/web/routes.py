"""List every URL with its policy: who may request it. A URL that is not in this table is a 404.

    public       everyone; the session is not read
    anyone       everyone; the page knows whether someone is signed in
    signed-in    signed-in people; others are redirected to sign in, programs get 401
    session      as signed-in, checked by the stream endpoint itself
    signature    senders of webhooks; `webhooks.door` checks it in front of this application
    operator     clients with METRICS_TOKEN (web/metrics_token.py)
    development  browsers on this machine, on a desk that sends no mail (web/mail_templates.py)

Rows with `keys` also accept an API key (web/auth/api_keys.py) instead of a session.

A policy says who may ask; what they see is decided by `access` and the domains' `visible_to`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, compile_path
from starlette.types import ASGIApp

from deskwire.kit.errors import Unauthenticated
from deskwire.kit.i18n import gettext
from deskwire.web.api import guilds as api_guilds
from deskwire.web.api import me as api_me
from deskwire.web.api import messages as api_messages
from deskwire.web.api import organizations as api_organizations
from deskwire.web.api import requests as api_requests
from deskwire.web.api.operations import Operation
from deskwire.web.api.reference import ApiReference
from deskwire.web.auth.recovery import RecoveryPages
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.context import request_context, set_request_context
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.assets import Assets
from deskwire.web.key_authentication import required_scope
from deskwire.web.pages.admin_deliveries import DeliveriesAdminPages
from deskwire.web.pages.admin_dispatches import DispatchesAdminPages
from deskwire.web.pages.admin_integrations import IntegrationsAdminPages
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

Policy = Literal["public", "anyone", "signed-in", "session", "signature", "operator", "development"]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Url:
    """A URL with an endpoint for each method, or an ASGI application for all methods."""

    path: str
    policy: Policy
    get: Endpoint | None = None
    post: Endpoint | None = None
    put: Endpoint | None = None
    patch: Endpoint | None = None
    delete: Endpoint | None = None
    app: ASGIApp | None = None  # None without endpoints: handled in front of this application
    files: Literal["none", "parts", "any"] = "none"  # accepted in multipart forms, or any body
    keys: bool = False  # whether API keys are accepted beside sessions
    methods: Mapping[str, Endpoint] = field(init=False)

    def __post_init__(self) -> None:
        endpoints = {"GET": self.get, "POST": self.post, "PUT": self.put}
        endpoints |= {"PATCH": self.patch, "DELETE": self.delete}
        object.__setattr__(self, "methods", {m: e for m, e in endpoints.items() if e is not None})


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
        *_api_rows(deps, renderer, streams),
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


def _api_rows(
    deps: Dependencies, renderer: Renderer, streams: Mapping[str, ASGIApp]
) -> tuple[Url, ...]:
    """Build the rows of the API; the second argument of `op` is the id in the OpenAPI document."""
    op = partial(Operation, deps)
    documented = (
        Url("/api/me", "signed-in", op(api_me.show_me, "me_show")),
        Url("/api/key", "signed-in", op(api_me.show_key, "key_show")),
        Url("/api/me/verification", "signed-in", post=op(api_me.send_verification, "me_prove")),
        *_api_request_rows(op, streams),
        *_api_organization_rows(op, "organizations"),
        *_api_organization_rows(op, "companies"),
        Url("/api/events", "session", app=streams["all"]),
        *_api_guild_rows(op, streams),
    )
    documented = tuple(replace(url, keys=True) for url in documented)
    reference = ApiReference(deps, renderer.render, [(url.path, url.methods) for url in documented])
    return (
        *documented,
        Url("/api/openapi.json", "public", reference.show_json),
        Url("/api/docs", "anyone", reference.show_page),
    )


def _api_request_rows(
    op: Callable[..., Operation], streams: Mapping[str, ASGIApp]
) -> tuple[Url, ...]:
    """Build the API's rows of requests.

    `all` and `events` stand before `{request}`, which would match them too.
    """
    requests, messages, one = api_requests, api_messages, "/api/requests/{request}"
    return (
        Url(
            "/api/requests",
            "signed-in",
            op(requests.list_organization_requests, "requests_list_own"),
            op(requests.create_request, "requests_file", 201),
        ),
        Url(
            "/api/requests/all",
            "signed-in",
            op(requests.list_all_requests, "requests_list_all"),
        ),
        Url("/api/requests/events", "session", app=streams["requests"]),
        Url(
            one,
            "signed-in",
            op(requests.show_request, "requests_show"),
            patch=op(requests.update_request, "requests_change"),
            delete=op(requests.delete_request, "requests_delete"),
        ),
        Url(
            f"{one}/messages",
            "signed-in",
            op(messages.list_messages, "messages_list_messages"),
            op(messages.post_message, "messages_write", 201),
        ),
        Url(
            f"{one}/messages/{{message}}",
            "signed-in",
            patch=op(messages.edit_message, "messages_edit"),
            delete=op(messages.delete_message, "messages_erase"),
        ),
        Url(
            f"{one}/files",
            "signed-in",
            op(messages.list_files, "messages_list_files"),
            op(messages.post_file, "messages_send_file", 201, takes_file=True),
            files="any",
        ),
        Url(
            f"{one}/files/{{file}}",
            "signed-in",
            delete=op(messages.delete_file, "messages_remove_file"),
        ),
        Url(
            f"{one}/watch",
            "signed-in",
            put=op(requests.add_watcher, "requests_watch"),
            delete=op(requests.remove_watcher, "requests_unwatch"),
        ),
        Url(f"{one}/read", "signed-in", post=op(requests.mark_request_read, "requests_read")),
    )


def _api_guild_rows(
    op: Callable[..., Operation], streams: Mapping[str, ASGIApp]
) -> tuple[Url, ...]:
    """Build the API's rows of Discord servers; `events` stands before `{guild}`."""
    guilds, one = api_guilds, "/api/guilds/{guild}"
    ticket = f"{one}/tickets/{{number}}"
    return (
        Url("/api/guilds/events", "session", app=streams["guilds"]),
        Url("/api/guilds", "signed-in", op(guilds.list_guilds, "guilds_list")),
        Url(one, "signed-in", op(guilds.show_guild, "guilds_show")),
        Url(f"{one}/tickets", "signed-in", op(guilds.list_tickets, "guilds_list_tickets")),
        Url(ticket, "signed-in", op(guilds.show_ticket, "guilds_show_ticket")),
        Url(
            f"{ticket}/messages",
            "signed-in",
            op(guilds.list_ticket_messages, "guilds_list_messages"),
        ),
    )


def _api_organization_rows(op: Callable[..., Operation], resource: str) -> tuple[Url, ...]:
    """Build the API's rows of organizations under one of their two names."""
    path, one = f"/api/{resource}", f"/api/{resource}/{{slug}}"
    orgs = api_organizations
    return (
        Url(
            path,
            "signed-in",
            op(orgs.list_organizations, f"{resource}_list_organizations"),
            op(orgs.create_organization, f"{resource}_found", 201),
        ),
        Url(
            one,
            "signed-in",
            op(orgs.show_organization, f"{resource}_show"),
            patch=op(orgs.update_organization, f"{resource}_change"),
        ),
        Url(f"{one}/members", "signed-in", op(orgs.list_members, f"{resource}_list_members")),
        Url(
            f"{one}/members/{{person}}",
            "signed-in",
            patch=op(orgs.change_member_role, f"{resource}_change_member"),
            delete=op(orgs.remove_member, f"{resource}_remove_member"),
        ),
        Url(
            f"{one}/invitations",
            "signed-in",
            op(orgs.list_invitations, f"{resource}_list_invitations"),
            op(orgs.create_invitation, f"{resource}_invite", 201),
        ),
        Url(
            f"{one}/invitations/{{invitation}}",
            "signed-in",
            delete=op(orgs.revoke_invitation, f"{resource}_revoke"),
        ),
        Url(
            f"{one}/categories",
            "signed-in",
            op(orgs.list_categories, f"{resource}_list_categories"),
            op(orgs.add_category, f"{resource}_add_category", 201),
        ),
        Url(
            f"{one}/categories/{{category}}",
            "signed-in",
            patch=op(orgs.update_category, f"{resource}_change_category"),
        ),
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
            set_request_context(request, None, cursor, key)
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
