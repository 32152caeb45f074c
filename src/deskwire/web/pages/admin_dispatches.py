"""Administer dispatches: list them, show one with the last answer, retry or dismiss it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.dispatches import admin
from deskwire.dispatches.admin import DispatchSummary
from deskwire.dispatches.mail import KEY_MAIL, LINK_MAIL, MAIL_TARGET, PROOF_MAIL
from deskwire.dispatches.store import DISPATCH_STATES, TIMERS, DispatchState
from deskwire.events.access import Viewer
from deskwire.kit.errors import Conflict, Invalid, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import status_of
from deskwire.web.http.forms import read_form, respond_done
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.list_links import parse_row_id, url_with_query
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.key_events import EXPIRY_REMINDERS
from deskwire.workspaces.keys.reminders import REPLACEMENT_TIMER
from deskwire.workspaces.organizations.invitations import EXPIRY_TIMER
from deskwire.workspaces.organizations.permissions import Permission, require

BASE_PATH = "/admin/dispatches"
PAGE_SIZE = 50  # dispatches
STATE_LABELS: Mapping[DispatchState, str] = {
    "new": N_("Queued"),
    "ready": N_("Scheduled"),
    "waiting": N_("Waiting"),
    "held": N_("Held"),
    "done": N_("Done"),
    "dead": N_("Given up"),
    "dismissed": N_("Dismissed"),
}
TARGET_LABELS = {MAIL_TARGET: N_("Email"), TIMERS: N_("Timer")}
KIND_LABELS = {
    LINK_MAIL: N_("message with a one-time link"),
    PROOF_MAIL: N_("link that confirms an address"),
    KEY_MAIL: N_("notice about API keys"),
    EXPIRY_TIMER: N_("an invitation expires"),
    **dict.fromkeys(EXPIRY_REMINDERS, N_("reminder that an API key expires")),
    REPLACEMENT_TIMER: N_("notice that the creator of API keys has left"),
}
DONE_MESSAGES = {
    "retry": N_("The dispatch will be sent again."),
    "dismiss": N_("The dispatch was dismissed."),
}


@dataclass(frozen=True, slots=True)
class DispatchFilter:
    """Which dispatches to list; `before` is an exclusive id, 0 for the first page."""

    state: str
    target: str
    before: int

    def href(self, before: int = 0) -> str:
        """Return the URL of the same filter, for the page below `before`."""
        fields = {"state": self.state, "target": self.target, "before": str(before or "")}
        return url_with_query(BASE_PATH, fields)


@dataclass(frozen=True, slots=True)
class DispatchPage:
    """A page of dispatches; the next page is below `next_before` (0: this is the last)."""

    dispatches: list[DispatchSummary]
    targets: list[str]
    held: int
    next_before: int


@dataclass(frozen=True, slots=True)
class DispatchesAdminPages:
    """`/admin/dispatches` and `/admin/dispatches/{dispatch}`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/dispatches?state=&target=&before=."""
        filters = parse_filter(request.query_params)
        viewer, dispatch_page = await read_as(self.deps, request, read_page, filters)
        state_labels, labels = translate_labels(STATE_LABELS), translate_labels(TARGET_LABELS)
        context = {
            "viewer": viewer,
            "dispatch_page": dispatch_page,
            "filters": filters,
            "states": [(state, state_labels[state]) for state in DISPATCH_STATES],
            "state_labels": state_labels,
            "targets": [(target, labels.get(target, target)) for target in dispatch_page.targets],
            "target_labels": labels,
            "kind_labels": translate_labels(KIND_LABELS),
        }
        return self.render(request, "admin_dispatches.html", context)

    async def apply_bulk(self, request: Request) -> Response:
        """POST /admin/dispatches (act: release or dismiss-held)."""
        form = await read_form(request)
        await act_as(self.deps, request, release_or_dismiss, form.get("act"))
        return respond_done(request, BASE_PATH)

    async def show(self, request: Request) -> Response:
        """GET /admin/dispatches/{dispatch}: its state and the last answer."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/dispatches/{dispatch} (act: retry or dismiss)."""
        form, id_ = await read_form(request), _dispatch_id(request)
        action = form.get("act")
        try:
            await act_as(self.deps, request, retry_or_dismiss, id_, action)
        except (Conflict, Invalid) as refusal:
            return await self._page(request, refusal)
        return respond_done(request, url_with_query(f"{BASE_PATH}/{id_}", {"done": action}))

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        viewer, (dispatch, behind) = await read_as(
            self.deps, request, read_one, _dispatch_id(request)
        )
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {
            "viewer": viewer,
            "dispatch": dispatch,
            "behind": behind,
            "state_labels": translate_labels(STATE_LABELS),
            "target_labels": translate_labels(TARGET_LABELS),
            "kind_labels": translate_labels(KIND_LABELS),
            "alert": str(refusal) if refusal is not None else None,
            "done": done if refusal is None else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "admin_dispatch.html", context, status=status)


def parse_filter(fields: Mapping[str, str]) -> DispatchFilter:
    """Parse the query of the URL; invalid values fall back to the defaults."""
    state = fields.get("state", "")
    target = fields.get("target", "").replace("\0", "")[:80]
    before = parse_row_id(fields.get("before", ""))
    return DispatchFilter(state if state in DISPATCH_STATES else "", target, before)


def read_page(tx: Connection, viewer: Viewer, filter_: DispatchFilter) -> DispatchPage:
    """Read a page of dispatches. Raises Forbidden without the permission to see them."""
    require(viewer, Permission.DISPATCHES)
    rows = admin.list_dispatches(
        tx, PAGE_SIZE + 1, target=filter_.target, state=filter_.state, before=filter_.before
    )
    counts = admin.count_by_target_and_state(tx)
    held = sum(count for (_, state), count in counts.items() if state == "held")
    next_before = rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else 0
    return DispatchPage(rows[:PAGE_SIZE], [*admin.list_targets(tx)], held, next_before)


def read_one(tx: Connection, viewer: Viewer, id_: int) -> tuple[DispatchSummary, int | None]:
    """Read a dispatch, and the one it waits behind. Raises Forbidden or NotFound."""
    require(viewer, Permission.DISPATCHES)
    dispatch = admin.read_dispatch(tx, id_)
    return dispatch, admin.find_blocking(tx, dispatch)


def retry_or_dismiss(tx: Connection, actor: Actor, id_: int, action: str) -> None:
    """Retry or dismiss a dispatch. Raises Forbidden, NotFound, Conflict or Invalid."""
    require(actor.viewer, Permission.DISPATCHES)
    match action:
        case "retry":
            admin.retry_dispatch(tx, id_, actor.at)
        case "dismiss":
            admin.dismiss_dispatch(tx, id_, actor.at)
        case _:
            raise Invalid(gettext("Nothing to do. Choose Retry or Dismiss."))


def release_or_dismiss(tx: Connection, actor: Actor, action: str) -> None:
    """Release or dismiss everything that is held. Raises Forbidden or Invalid."""
    require(actor.viewer, Permission.DISPATCHES)
    match action:
        case "release":
            admin.release_dispatches(tx)
        case "dismiss-held":
            admin.dismiss_held(tx, actor.at)
        case _:
            raise Invalid(gettext("Nothing to do. Choose Send or Dismiss."))


def _dispatch_id(request: Request) -> int:
    return parse_row_id(str(request.path_params["dispatch"]))
