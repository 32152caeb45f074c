"""Every URL there is, and who may ask for it. What is not on this page does not exist.

    public       anybody; who they are is not asked
    anyone       anybody; a page that greets whoever is signed in
    signed-in    people who are signed in; others are sent to sign in, programs get 401
    session      as signed-in, asked by the stream itself (it holds nothing else of the request)
    signature    senders of webhooks, proven by the door in front of this application
    operator     whoever runs the desk, proven by METRICS_TOKEN (web/auth/metrics_token.py)
    development  who sits at this machine, where no mail is sent (web/auth/mail_templates.py)

"signed-in" says who may ask; what they see is decided by `access` and the domains' `visible_to`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, assert_never

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, compile_path
from starlette.types import ASGIApp

from deskwire.kit.errors import Unauthenticated
from deskwire.kit.i18n import gettext
from deskwire.web.api import me as api_oneself
from deskwire.web.api import messages as api_messages
from deskwire.web.api import organizations as api_organizations
from deskwire.web.api import requests as api_requests
from deskwire.web.api.operations import Operation
from deskwire.web.api.reference import ApiReference
from deskwire.web.auth.recovery import RecoveryPages
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.dependencies import Dependencies, set_request_context
from deskwire.web.http.assets import Assets
from deskwire.web.pages.admin_deliveries import DeliveriesAdminPages
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
from deskwire.web.pages.settings import SettingsPages
from deskwire.web.pages.tickets import TicketPages
from deskwire.web.rendering.render import Renderer

Policy = Literal["public", "anyone", "signed-in", "session", "signature", "operator", "development"]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Url:
    """One address: what answers each method, or the ASGI application that answers all."""

    path: str
    policy: Policy
    get: Endpoint | None = None
    post: Endpoint | None = None
    put: Endpoint | None = None
    patch: Endpoint | None = None
    delete: Endpoint | None = None
    app: ASGIApp | None = None  # None beside no endpoint: answered before this application
    files: Literal["none", "parts", "any"] = "none"  # in forms with parts, or in any body
    methods: Mapping[str, Endpoint] = field(init=False)

    def __post_init__(self) -> None:
        given = {"GET": self.get, "POST": self.post, "PUT": self.put}
        given |= {"PATCH": self.patch, "DELETE": self.delete}
        object.__setattr__(self, "methods", {m: e for m, e in given.items() if e is not None})


def url_table(
    deps: Dependencies,
    renderer: Renderer,
    account_pages: AccountPages,
    streams: Mapping[str, ASGIApp],
    health: HealthPages,
) -> tuple[Url, ...]:
    """The table."""
    people = LandingPages(deps, renderer.render)
    guilds = GuildPages(deps, renderer.render)
    tickets = TicketPages(deps, renderer.render)
    oneself, recovery = (
        SettingsPages(deps, account_pages),
        RecoveryPages(account_pages, deps.mail_templates),
    )
    files = FilePages(deps)
    return (
        Url("/", "anyone", people.index),
        Url("/dashboard", "signed-in", DashboardPages(deps, renderer.render).index),
        Url("/guilds", "signed-in", guilds.index),
        Url("/guilds/{guild}", "signed-in", guilds.overview),
        Url("/guilds/{guild}/tickets", "signed-in", tickets.index),
        Url("/guilds/{guild}/tickets/{number}", "signed-in", tickets.show),
        *_portal_rows(deps, renderer),
        *_admin_rows(deps, renderer, account_pages),
        Url("/files", "signed-in", post=files.upload, files="any"),
        Url("/files/{file}", "signed-in", files.download),
        Url("/files/{file}/thumbnail", "signed-in", files.thumbnail),
        Url("/settings", "signed-in", oneself.index),
        Url("/settings/name", "signed-in", post=oneself.change_name),
        Url("/settings/display", "signed-in", post=oneself.change_display),
        Url("/settings/verification", "signed-in", post=oneself.send_verification),
        Url("/settings/browsers", "signed-in", post=oneself.end_sessions),
        Url("/settings/data", "signed-in", oneself.download_data),
        Url("/settings/delete", "signed-in", oneself.delete_account_form, oneself.delete_account),
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
        Url("/mail", "development", MailboxPages(deps, renderer.render).index),
        *_api_rows(deps, renderer, streams),
        Url("/api/webhooks/bot/events", "signature"),
        Url("/healthz", "public", health.alive),
        Url("/readyz", "public", health.ready),
        Url("/metrics", "operator", health.metrics),
        Url("/static", "public", app=Assets()),
    )


def _portal_rows(deps: Dependencies, renderer: Renderer) -> tuple[Url, ...]:
    """Requests and organizations."""
    requests = RequestListPages(deps, renderer.render)
    one = RequestDetailPages(deps, renderer.render)
    orgs = OrganizationPages(deps, renderer.render)
    switching = OrganizationSwitcherPages(deps, renderer.render)
    return (
        Url("/requests", "signed-in", requests.index),
        Url("/requests/new", "signed-in", requests.new, requests.create, files="parts"),
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
        Url("/organizations", "signed-in", switching.index, switching.choose),
        Url("/create-organization", "signed-in", orgs.new, orgs.create),
        Url("/orgs/{slug}", "signed-in", orgs.overview),
        Url("/orgs/{slug}/settings", "signed-in", orgs.settings, orgs.apply_change),
    )


def _admin_rows(
    deps: Dependencies, renderer: Renderer, account_pages: AccountPages
) -> tuple[Url, ...]:
    """The administration, how people come in, and their pictures."""
    people = PeopleAdminPages(deps, renderer.render)
    organizations = OrganizationsAdminPages(deps, renderer.render)
    deliveries = DeliveriesAdminPages(deps, renderer.render)
    invitations = InvitationPages(deps, account_pages)
    avatars = AvatarPages(deps, account_pages)
    return (
        Url("/admin/people", "signed-in", people.index),
        Url("/admin/people/{person}", "signed-in", people.show, people.apply_change),
        Url("/admin/organizations", "signed-in", organizations.index),
        Url("/admin/deliveries", "signed-in", deliveries.index),
        Url("/admin/deliveries/{delivery}", "signed-in", deliveries.show, deliveries.apply_change),
        Url("/invitations/{token}", "anyone", invitations.show, invitations.accept),
        Url("/settings/avatar", "signed-in", post=avatars.change, files="parts"),
        Url("/avatars/{avatar}", "signed-in", avatars.show),
    )


def _api_rows(
    deps: Dependencies, renderer: Renderer, streams: Mapping[str, ASGIApp]
) -> tuple[Url, ...]:
    """What programs ask; the more exact address before the one that would match as well."""
    do, one = partial(Operation, deps), "/api/requests/{request}"
    described = (
        Url("/api/me", "signed-in", do(api_oneself.show)),
        Url("/api/me/verification", "signed-in", post=do(api_oneself.prove)),
        Url("/api/requests", "signed-in", do(api_requests.list_own), do(api_requests.file, 201)),
        Url("/api/requests/all", "signed-in", do(api_requests.list_all)),
        Url("/api/requests/events", "session", app=streams["requests"]),
        Url(
            one,
            "signed-in",
            do(api_requests.show),
            patch=do(api_requests.change),
            delete=do(api_requests.delete),
        ),
        Url(
            f"{one}/messages",
            "signed-in",
            do(api_messages.list_messages),
            do(api_messages.write, 201),
        ),
        Url(
            f"{one}/messages/{{message}}",
            "signed-in",
            patch=do(api_messages.edit),
            delete=do(api_messages.erase),
        ),
        Url(
            f"{one}/files",
            "signed-in",
            do(api_messages.list_files),
            do(api_messages.send_file, 201, takes_file=True),
            files="any",
        ),
        Url(f"{one}/files/{{file}}", "signed-in", delete=do(api_messages.remove_file)),
        Url(
            f"{one}/watch", "signed-in", put=do(api_requests.watch), delete=do(api_requests.unwatch)
        ),
        Url(f"{one}/read", "signed-in", post=do(api_requests.read)),
        *_organization_rows(do, "/api/organizations"),
        *_organization_rows(do, "/api/companies"),
        Url("/api/events", "session", app=streams["all"]),
        Url("/api/guilds/events", "session", app=streams["guilds"]),
    )
    reference = ApiReference(deps, renderer.render, [(url.path, url.methods) for url in described])
    return (
        *described,
        Url("/api/openapi.json", "public", reference.show_json),
        Url("/api/docs", "anyone", reference.show_page),
    )


def _organization_rows(do: Callable[..., Operation], path: str) -> tuple[Url, ...]:
    """Organizations, below either of their two names."""
    one, them = f"{path}/{{slug}}", api_organizations
    return (
        Url(path, "signed-in", do(them.list_organizations), do(them.found, 201)),
        Url(one, "signed-in", do(them.show), patch=do(them.change)),
        Url(f"{one}/members", "signed-in", do(them.list_members)),
        Url(
            f"{one}/members/{{person}}",
            "signed-in",
            patch=do(them.change_member),
            delete=do(them.remove_member),
        ),
        Url(f"{one}/invitations", "signed-in", do(them.list_invitations), do(them.invite, 201)),
        Url(f"{one}/invitations/{{invitation}}", "signed-in", delete=do(them.revoke)),
        Url(f"{one}/categories", "signed-in", do(them.list_categories), do(them.add_category, 201)),
        Url(f"{one}/categories/{{category}}", "signed-in", patch=do(them.change_category)),
    )


def build_routes(
    deps: Dependencies,
    renderer: Renderer,
    account_pages: AccountPages,
    streams: Mapping[str, ASGIApp],
    health: HealthPages,
) -> list[BaseRoute]:
    """The table as routes that keep its policies."""
    table = url_table(deps, renderer, account_pages, streams, health)
    return [route for url in table for route in _build_url_routes(deps, url)]


def upload_matcher(urls: Sequence[Url]) -> Callable[[str, bool], bool]:
    """Whether a body may hold files, by the path it is posted to and whether it is a form with
    parts; what `guards.RoomForFiles` asks."""
    known = [(compile_path(url.path)[0], url.files) for url in urls if url.files != "none"]

    def ask(path: str, is_form: bool) -> bool:
        return any(regex.match(path) and (is_form or how == "any") for regex, how in known)

    return ask


def _build_url_routes(deps: Dependencies, url: Url) -> Sequence[BaseRoute]:
    if url.path == "/static":
        return [Mount(url.path, url.app)]
    if url.app is not None:
        return [Route(url.path, url.app)]
    if url.methods:
        return [Route(url.path, enforce_policy(deps, url), methods=list(url.methods))]
    return []


def enforce_policy(deps: Dependencies, url: Url) -> Endpoint:
    """The endpoints of `url` behind its policy. The cursor is read here, before any row."""

    async def answer(request: Request) -> Response:
        match url.policy:
            case "anyone" | "signed-in":
                set_request_context(
                    request, await deps.find_signed_in(request), str(deps.hub().cursor)
                )
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
        if url.policy == "signed-in" and request.state.visit.signed_in is None:
            raise Unauthenticated(gettext("Sign in to see this page."))
        method = "GET" if request.method == "HEAD" else request.method
        return await url.methods[method](request)

    return answer
