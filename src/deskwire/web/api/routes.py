"""List the URLs of the API. All accept API keys, and all but the reference are documented there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from starlette.types import ASGIApp

from deskwire.web.api import guilds as api_guilds
from deskwire.web.api import me as api_me
from deskwire.web.api import messages as api_messages
from deskwire.web.api import organizations as api_organizations
from deskwire.web.api import requests as api_requests
from deskwire.web.api.operations import Operation
from deskwire.web.api.reference import ApiReference
from deskwire.web.dependencies import Dependencies
from deskwire.web.rendering.render import Renderer
from deskwire.web.url import Url


def api_rows(
    deps: Dependencies, renderer: Renderer, streams: Mapping[str, ASGIApp]
) -> tuple[Url, ...]:
    """Build the rows of the API.

    The second argument of `op` is the id in the OpenAPI document; `for_people` documents what no
    API key may do.
    """
    op = partial(Operation, deps)
    for_people = partial(op, callers="people")
    documented = (
        Url("/api/me", "signed-in", for_people(api_me.show_me, "me_show")),
        Url("/api/key", "signed-in", op(api_me.show_key, "key_show", callers="keys")),
        Url(
            "/api/me/verification",
            "signed-in",
            post=for_people(api_me.send_verification, "me_prove"),
        ),
        *_request_rows(op, streams),
        *_organization_rows(op, "organizations"),
        *_organization_rows(op, "companies"),
        Url("/api/events", "session", app=streams["all"]),
        *_guild_rows(op, streams),
    )
    documented = tuple(replace(url, keys=True) for url in documented)
    reference = ApiReference(deps, renderer.render, [(url.path, url.methods) for url in documented])
    return (
        *documented,
        Url("/api/openapi.json", "public", reference.show_json),
        Url("/api/docs", "anyone", reference.show_page),
    )


def _request_rows(op: Callable[..., Operation], streams: Mapping[str, ASGIApp]) -> tuple[Url, ...]:
    """Build the API's rows of requests.

    `all` and `events` stand before `{request}`, which would match them too.
    """
    requests, messages, one = api_requests, api_messages, "/api/requests/{request}"
    for_people = partial(op, callers="people")
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
        Url(
            f"{one}/read",
            "signed-in",
            post=for_people(requests.mark_request_read, "requests_read"),
        ),
    )


def _guild_rows(op: Callable[..., Operation], streams: Mapping[str, ASGIApp]) -> tuple[Url, ...]:
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


def _organization_rows(op: Callable[..., Operation], resource: str) -> tuple[Url, ...]:
    """Build the API's rows of organizations under one of their two names."""
    path, one = f"/api/{resource}", f"/api/{resource}/{{slug}}"
    orgs, for_people = api_organizations, partial(op, callers="people")
    return (
        Url(
            path,
            "signed-in",
            op(orgs.list_organizations, f"{resource}_list_organizations"),
            for_people(orgs.create_organization, f"{resource}_found", 201),
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
            patch=for_people(orgs.change_member_role, f"{resource}_change_member"),
            delete=for_people(orgs.remove_member, f"{resource}_remove_member"),
        ),
        Url(
            f"{one}/invitations",
            "signed-in",
            for_people(orgs.list_invitations, f"{resource}_list_invitations"),
            for_people(orgs.create_invitation, f"{resource}_invite", 201),
        ),
        Url(
            f"{one}/invitations/{{invitation}}",
            "signed-in",
            delete=for_people(orgs.revoke_invitation, f"{resource}_revoke"),
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
