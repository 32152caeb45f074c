"""Render pages and their fragments from templates.

Rows, lines and badges exist once, as macros in `templates/macros`. A page declares its fragments
as blocks: the element with the id `ticket-list` is the whole content of
`{% block live_ticket_list %}`. A request for fragments gets those blocks only, rendered from the
same context as the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from jinja2 import (
    ChainableUndefined,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    Undefined,
)
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from deskwire.accounts.people import Person
from deskwire.accounts.sessions import Session
from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.clock import Millis, format_iso
from deskwire.kit.i18n import format_date, get_active
from deskwire.tickets.statuses import STATUS_LABELS, STATUSES
from deskwire.web.context import active_organization_id, request_context
from deskwire.web.dependencies import Dependencies
from deskwire.web.http import assets
from deskwire.web.http.fragments import requested_fragments
from deskwire.web.i18n import (
    browser_catalog,
    install_translations,
    translate_labels,
    translate_word,
)
from deskwire.web.rendering.admin_tabs import visible_tabs
from deskwire.web.rendering.live_events import live_events
from deskwire.web.rendering.row_cache import cache_rows
from deskwire.web.rendering.time_zones import (
    datetime_text,
    day_name,
    local_date,
    local_time_text,
    use_time_zone,
)
from deskwire.workspaces.names import initials
from deskwire.workspaces.organizations.organizations import organization_ids_of

TEMPLATES = Path(__file__).parents[1] / "templates"
# Each file of macros may use those before it.
MACROS = ("icons", "bits", "guilds", "tickets", "requests", "lines", "admin", "keys")
LAYOUT_TEMPLATE = "base.html"  # its fragments are available on every page
COLORED_PRIORITIES = ("low", "normal", "high", "urgent")  # other priorities have no color
EMPTY_STATE = ChainableUndefined(name="a state")  # what a macro gets inside `<template data-of>`


class Render(Protocol):
    """Render a template as a response."""

    def __call__(
        self, request: Request, name: str, context: Mapping[str, object], /, *, status: int = 200
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class PageContext:
    """The values that the layout shows or passes to the scripts, as `page`."""

    person: Person | None
    session: Session | None
    own_principals: str  # separated by spaces; events by these need no toast
    cursor: str | None
    channels: str | None  # separated by spaces; None if the page was not rendered for a viewer
    debug: bool
    version: str
    sign_up_open: bool
    max_file_bytes: int
    theme: str | None = None  # light or dark; None for the system's
    time_zone: str | None = None  # IANA name; None for the browser's
    active_workspace: Workspace | None = None  # the active organization, or the only one
    is_unverified: bool = False  # the email address can be verified and is not
    undeliverable_since: Millis | None = None  # ms; the email address refuses mail for good
    has_local_mailbox: bool = False  # mails are not sent, but shown at /mail
    language: str = "en"  # HTML's `lang`
    browser_translations: Mapping[str, object] | None = None  # for scripts; None for English


class Renderer:
    """Render the templates of one desk."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._environment = _environment()
        self._language = get_active().language_tag
        self._browser_translations = browser_catalog(get_active())

    def render(
        self, request: Request, name: str, context: Mapping[str, object], /, *, status: int = 200
    ) -> Response:
        """Render the template `name`, or the fragments of it that the request asks for.

        A `viewer` in the context says which channels the page was rendered for.
        """
        template = self._environment.get_template(name)
        page = self._page_context(request, context, status)
        values = {**context, "page": page}
        fragment_ids = requested_fragments(request) if status == 200 else None
        with use_time_zone(page.time_zone):
            if fragment_ids is None:
                html = template.render(values)
            else:
                html = _render_fragments(template, values, fragment_ids)
        return HTMLResponse(html, status, {"cache-control": "no-store"})

    def _page_context(
        self, request: Request, context: Mapping[str, object], status: int
    ) -> PageContext:
        current, viewer = request_context(request), context.get("viewer")
        person = current.person
        return PageContext(
            person,
            current.session,
            " ".join(current.principals),
            # Error pages have no cursor: two of them must not differ by when they were rendered.
            current.cursor if status == 200 else None,
            " ".join(sorted(viewer.channels)) if isinstance(viewer, Viewer) else None,
            self._deps.debug,
            self._deps.version,
            self._deps.sign_up == "open",
            self._deps.uploads.max_file_bytes,
            person.theme if person is not None else None,
            person.time_zone if person is not None else None,
            _active_workspace(request, viewer) if isinstance(viewer, Viewer) else None,
            self._sends_mail and _is_unverified(person),
            person.undeliverable_since if person is not None and self._sends_mail else None,
            self._deps.mail_templates.mode == "kept",
            self._language,
            self._browser_translations,
        )

    @property
    def _sends_mail(self) -> bool:
        return self._deps.mail_templates.is_enabled


def _is_unverified(person: Person | None) -> bool:
    return person is not None and bool(person.email) and person.email_verified_at is None


def _active_workspace(request: Request, viewer: Viewer) -> Workspace | None:
    own = [channels.organization(each) for each in organization_ids_of(viewer)]
    active = channels.organization(active_organization_id(request) or "")
    return active if active in own else own[0] if len(own) == 1 else None


def _render_fragments(template: Template, values: dict[str, Any], ids: list[str]) -> str:
    context = template.new_context(values)
    blocks = {**template.environment.get_template(LAYOUT_TEMPLATE).blocks, **template.blocks}
    requested = [blocks.get(block_name(id_)) for id_ in dict.fromkeys(ids)]
    return "".join(html for block in requested if block is not None for html in block(context))


def block_name(element_id: str) -> str:
    """Return the name of the block that holds the element with this id."""
    return "live_" + element_id.replace("-", "_")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    install_translations(environment)
    environment.filters |= {
        "iso": _iso_text,
        "utc_time": utc_text,
        "local_time": local_time_text,
        "initials": initials_or_empty,
    }
    environment.filters |= {"local_date": local_date, "day_name": day_name, "day_text": format_date}
    environment.filters |= {"uri_component": encode_uri_component, "translate_word": translate_word}
    environment.globals |= {
        "options_of": select_options,
        "tabs_for": visible_tabs,
        "EMPTY": EMPTY_STATE,
        "LABELS": translate_labels(STATUS_LABELS),
        "STATUSES": STATUSES,
        "PRIORITIES": COLORED_PRIORITIES,
        "asset": assets.asset_url,
        "live_events": live_events,
    }
    # Globals, because a block that is rendered alone does not see its template's imports.
    for name in MACROS:
        environment.globals[name] = environment.get_template(f"macros/{name}.html").module
    for name in ("tickets", "requests"):
        macros = vars(environment.get_template(f"macros/{name}.html").module)
        environment.globals[f"{name}_row"] = cache_rows(macros["row"], EMPTY_STATE)
    return environment


def select_options(items: Iterable[Any], key: str) -> list[tuple[str, str]]:
    """Return the (value, label) pairs of a `<select>`: each item's attribute `key`, and name."""
    return [(str(getattr(each, key)), str(each.name)) for each in items]


def encode_uri_component(value: str | Undefined) -> str:
    """Encode a value for a URL as JavaScript's `encodeURIComponent` does."""
    return quote(str(value), safe="!'()*")


def utc_text(at: Millis | Undefined) -> str:
    """Format a time in UTC, for pages without scripts."""
    if isinstance(at, Undefined):
        return ""
    return datetime_text(datetime.fromtimestamp(at / 1000, UTC))


def initials_or_empty(name: str | Undefined) -> str:
    """Return a name's initials; none for the undefined name of an empty template."""
    return initials(str(name))


def _iso_text(at: Millis | Undefined) -> str:
    return "" if isinstance(at, Undefined) else format_iso(at)
