"""Administer webhook deliveries: list them, show one with its outcome, replay or dismiss it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.log import CausedEvent, list_caused_events
from deskwire.kit.errors import Conflict, Invalid, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.context import act_as, read_as
from deskwire.web.delivery_store import DeliveryDetail, DeliveryStore, DeliverySummary
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import status_of
from deskwire.web.http.forms import read_form, respond_done
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.list_links import parse_row_id, url_with_query
from deskwire.web.rendering.payload import format_payload
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.permissions import Permission, require

BASE_PATH = "/admin/deliveries"
PAGE_SIZE = 50  # deliveries
REPLAY_POLL_ATTEMPTS = 20  # polls for the outcome before the page shows the delivery as pending
REPLAY_POLL_INTERVAL = 0.1  # s between two polls
STATE_LABELS = {
    "pending": N_("Pending"),
    "done": N_("Processed"),
    "parked": N_("Parked"),
    "repeat": N_("Duplicate"),
    "refused": N_("Rejected"),
    "dismissed": N_("Dismissed"),
}
DONE_MESSAGES = {
    "replay": N_("The delivery was processed again."),
    "dismiss": N_("The delivery was dismissed. You can still replay it."),
}


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to list; `before` is an exclusive id, 0 for the first page."""

    state: str
    source: str
    before: int

    def href(self, before: int = 0) -> str:
        """Return the URL of the same filter, for the page below `before`."""
        fields = {"state": self.state, "source": self.source, "before": str(before or "")}
        return url_with_query(BASE_PATH, fields)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries; the next page is below `next_before` (0: this is the last)."""

    deliveries: list[DeliverySummary]
    sources: list[str]
    next_before: int


@dataclass(frozen=True, slots=True)
class DeliveriesAdminPages:
    """`/admin/deliveries` and `/admin/deliveries/{delivery}`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/deliveries?state=&source=&before=."""
        deliveries = self.deps.deliveries
        filters = parse_filter(request.query_params, deliveries)
        viewer, delivery_page = await read_as(self.deps, request, read_page, deliveries, filters)
        state_labels = translate_labels(STATE_LABELS)
        context = {
            "viewer": viewer,
            "delivery_page": delivery_page,
            "filters": filters,
            "states": [(state, state_labels.get(state, state)) for state in deliveries.states],
            "state_labels": state_labels,
            "sources": [(source, source) for source in delivery_page.sources],
        }
        return self.render(request, "admin_deliveries.html", context)

    async def show(self, request: Request) -> Response:
        """GET /admin/deliveries/{delivery}: its payload, with the secrets masked."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/deliveries/{delivery} (act: replay or dismiss)."""
        form, id_ = await read_form(request), _delivery_id(request)
        deliveries, action = self.deps.deliveries, form.get("act")
        try:
            await act_as(self.deps, request, replay_or_dismiss, deliveries, id_, action)
        except (Conflict, Invalid) as refusal:
            return await self._page(request, refusal)
        if action == "replay":
            deliveries.wake_worker()
            await self._wait_until_processed(id_)
        return respond_done(request, url_with_query(f"{BASE_PATH}/{id_}", {"done": action}))

    async def _wait_until_processed(self, id_: int) -> None:
        """Poll until the delivery is no longer pending, at most two seconds."""
        for _ in range(REPLAY_POLL_ATTEMPTS):
            if (await self.deps.db.read(self.deps.deliveries.read_one, id_)).state != "pending":
                return
            await asyncio.sleep(REPLAY_POLL_INTERVAL)

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        viewer, (delivery, events) = await read_as(
            self.deps, request, read_delivery, self.deps.deliveries, _delivery_id(request)
        )
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {
            "viewer": viewer,
            "delivery": delivery,
            "events": events,
            "payload": format_payload(delivery.body),
            "state_labels": translate_labels(STATE_LABELS),
            "alert": str(refusal) if refusal is not None else None,
            "done": done if refusal is None and delivery.state != "pending" else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "admin_delivery.html", context, status=status)


def parse_filter(fields: Mapping[str, str], deliveries: DeliveryStore) -> DeliveryFilter:
    """Parse the query of the URL; invalid values fall back to the defaults."""
    state = fields.get("state", "")
    source = fields.get("source", "").replace("\0", "")[:40]
    return DeliveryFilter(
        state if state in deliveries.states else "", source, parse_row_id(fields.get("before", ""))
    )


def read_page(
    tx: Connection, viewer: Viewer, deliveries: DeliveryStore, filter_: DeliveryFilter
) -> DeliveryPage:
    """Read a page of deliveries. Raises Forbidden without the permission to see deliveries."""
    require(viewer, Permission.DELIVERIES)
    rows = deliveries.find_newest(
        tx, PAGE_SIZE + 1, state=filter_.state, source=filter_.source, before=filter_.before
    )
    next_before = rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else 0
    return DeliveryPage([*rows[:PAGE_SIZE]], [*deliveries.read_sources(tx)], next_before)


def read_delivery(
    tx: Connection, viewer: Viewer, deliveries: DeliveryStore, id_: int
) -> tuple[DeliveryDetail, list[CausedEvent]]:
    """Read a delivery and the events it caused. Raises Forbidden or NotFound."""
    require(viewer, Permission.DELIVERIES)
    return _read_one(tx, deliveries, id_), list_caused_events(tx, f"delivery:{id_}")


def replay_or_dismiss(
    tx: Connection, actor: Actor, deliveries: DeliveryStore, id_: int, action: str
) -> None:
    """Replay or dismiss a delivery. Raises Forbidden, NotFound, Conflict or Invalid."""
    require(actor.viewer, Permission.DELIVERIES)
    _read_one(tx, deliveries, id_)
    match action:
        case "replay":
            deliveries.replay(tx, id_)
        case "dismiss":
            deliveries.dismiss(tx, id_, actor.at)
        case _:
            raise Invalid(gettext("Nothing to do. Choose Replay or Dismiss."))


def _read_one(tx: Connection, deliveries: DeliveryStore, id_: int) -> DeliveryDetail:
    try:
        return deliveries.read_one(tx, id_)
    except NotFound:  # the original message is for the command line
        raise NotFound(
            gettext("This delivery doesn’t exist. Finished deliveries are deleted after a while.")
        ) from None


def _delivery_id(request: Request) -> int:
    return parse_row_id(str(request.path_params["delivery"]))
