"""Pages from templates. A row, a line, a badge exists once, as a macro in `templates/macros`.

A page declares its fragments as blocks: the element with the id `ticket-list` is all there is in
`{% block live_ticket_list %}`. A request that names fragments gets those blocks and nothing else,
rendered from the same context as the page.
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

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.clock import Millis, format_iso
from deskwire.kit.i18n import format_date, get_active
from deskwire.tickets.statuses import STATUS_LABELS, STATUSES
from deskwire.web.dependencies import (
    Account,
    Dependencies,
    RequestContext,
    Session,
    request_context,
)
from deskwire.web.http import assets
from deskwire.web.http.middleware import OWN_FETCH_SITES
from deskwire.web.rendering.admin_tabs import visible_tabs
from deskwire.web.rendering.i18n import (
    browser_catalogue,
    install_translations,
    translate_labels,
    translate_word,
)
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
MACROS = (
    "icons",
    "bits",
    "guilds",
    "tickets",
    "requests",
    "lines",
    "admin",
)  # each may use those before it
LAYOUT_TEMPLATE = "base.html"  # whose fragments every page has
FRAGMENT_HEADER = "x-deskwire-fragment"
MAX_FRAGMENTS = 20  # ids in one request; the largest page has six
COLORED_PRIORITIES = (
    "low",
    "normal",
    "high",
    "urgent",
)  # that have a colour; others are shown plainly
EMPTY_STATE = ChainableUndefined(name="a state")  # what a macro gets inside `<template data-of>`


class Render(Protocol):
    """Makes a page of a template."""

    def __call__(
        self, request: Request, name: str, context: Mapping[str, object], /, *, status: int = 200
    ) -> Response: ...


@dataclass(frozen=True, slots=True)
class PageContext:
    """What the layout shows and tells the client store."""

    person: Account | None
    session: Session | None
    own_principals: str  # separated by spaces; whose doings the person knows of anyway
    cursor: str | None
    channels: str | None  # separated by spaces; None: not known here
    debug: bool
    version: str
    sign_up_open: bool
    max_file_bytes: int  # bytes
    theme: str | None = None  # light, dark; None: the system's
    time_zone: str | None = None  # IANA name; None: the browser's own
    active_workspace: Workspace | None = None  # the organization the session is in, or the only one
    is_unverified: bool = False  # nobody has shown yet that the address is theirs, and could
    language: str = "en"  # as HTML names it
    browser_translations: Mapping[str, object] | None = (
        None  # what scripts say in it; None: they know
    )


class Renderer:
    """The templates of one site."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._environment = _environment()
        self._language = get_active().language_tag
        self._browser_translations = browser_catalogue(get_active())

    def render(
        self, request: Request, name: str, context: Mapping[str, object], /, *, status: int = 200
    ) -> Response:
        """The page `name`, or those of its fragments that the request asks for.

        A `viewer` in the context tells the layout which channels the page was rendered for.
        """
        template = self._environment.get_template(name)
        page = self._page_context(request, context, status)
        values = {**context, "page": page}
        wanted = requested_fragments(request) if status == 200 else None
        with use_time_zone(page.time_zone):
            html = (
                template.render(values)
                if wanted is None
                else _render_fragments(template, values, wanted)
            )
        return HTMLResponse(html, status, {"cache-control": "no-store"})

    def _page_context(
        self, request: Request, context: Mapping[str, object], status: int
    ) -> PageContext:
        visit, viewer = request_context(request), context.get("viewer")
        return PageContext(
            visit.person,
            visit.session,
            " ".join(visit.actors),
            # An error page must not differ from another by when it was made.
            visit.cursor if status == 200 else None,
            " ".join(sorted(viewer.channels)) if isinstance(viewer, Viewer) else None,
            self._deps.debug,
            self._deps.version,
            self._deps.sign_up == "open",
            self._deps.uploads.max_file_bytes,
            None if visit.person is None else visit.person.theme,
            None if visit.person is None else visit.person.time_zone,
            _active_workspace(viewer, visit) if isinstance(viewer, Viewer) else None,
            self._deps.mail_templates.is_enabled and _is_unverified(visit.person),
            self._language,
            self._browser_translations,
        )


def _is_unverified(person: Account | None) -> bool:
    return person is not None and bool(person.email) and person.email_verified_at is None


def _active_workspace(viewer: Viewer, context: RequestContext) -> Workspace | None:
    own = [channels.organization(each) for each in organization_ids_of(viewer)]
    active = context.session.organization if context.session is not None else None
    chosen = channels.organization(active or "")
    return chosen if chosen in own else own[0] if len(own) == 1 else None


def requested_fragments(request: Request) -> list[str] | None:
    """The ids a request asks for (`?fragment=a,b` with its header); None: the whole page."""
    if FRAGMENT_HEADER not in request.headers:
        return None
    return request.query_params.get("fragment", "").split(",")[:MAX_FRAGMENTS]


def is_navigation(request: Request) -> bool:
    """Whether somebody goes to a page: asks for all of it, not ahead, and led by no other site."""
    sites = set(request.headers.getlist("sec-fetch-site"))
    is_ahead = "prefetch" in request.headers.get("sec-purpose", "")
    is_whole = request.method == "GET" and requested_fragments(request) is None
    return is_whole and not is_ahead and sites <= OWN_FETCH_SITES


def _render_fragments(template: Template, values: dict[str, Any], ids: list[str]) -> str:
    context = template.new_context(values)
    there = {**template.environment.get_template(LAYOUT_TEMPLATE).blocks, **template.blocks}
    blocks = [there.get(block_name(id_)) for id_ in dict.fromkeys(ids)]
    return "".join(part for block in blocks if block is not None for part in block(context))


def block_name(element_id: str) -> str:
    """The block that holds the element with this id."""
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
    }
    # Globals, because a block rendered alone does not see what its template imports.
    for name in MACROS:
        environment.globals[name] = environment.get_template(f"macros/{name}.html").module
    for name in ("tickets", "requests"):
        macros = vars(environment.get_template(f"macros/{name}.html").module)
        environment.globals[f"{name}_row"] = cache_rows(macros["row"], EMPTY_STATE)
    return environment


def select_options(items: Iterable[Any], key: str) -> list[tuple[str, str]]:
    """What a select offers of things that have a name: their `key`, and that name."""
    return [(str(getattr(each, key)), str(each.name)) for each in items]


def encode_uri_component(value: str | Undefined) -> str:
    """A value in an address, as `encodeURIComponent` writes it in browsers."""
    return quote(str(value), safe="!'()*")


def utc_text(at: Millis | Undefined) -> str:
    """A time as people read it where no script puts it in their own words."""
    if isinstance(at, Undefined):
        return ""
    return datetime_text(datetime.fromtimestamp(at / 1000, UTC))


def initials_or_empty(name: str | Undefined) -> str:
    """`initials`, also of a name that an empty template lacks."""
    return initials(str(name))


def _iso_text(at: Millis | Undefined) -> str:
    return "" if isinstance(at, Undefined) else format_iso(at)
