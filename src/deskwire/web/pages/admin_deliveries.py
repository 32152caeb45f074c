"""The administration's deliveries: what senders posted, what became of it, and trying it again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

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
from deskwire.web.http.errors import status_of
from deskwire.web.http.forms import read_form, respond_done
from deskwire.web.http.log_redaction import format_payload
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.permissions import Permission, require

BASE_PATH = "/admin/deliveries"
PAGE_SIZE = 50  # rows
MAX_ID = 2**63 - 1  # the largest number a database column holds
REPLAY_POLL_ATTEMPTS = 20  # looks at a replayed delivery before the page shows it pending
REPLAY_POLL_INTERVAL = 0.1  # s between two looks
STATE_LABELS = {
    "pending": N_("Waiting"),
    "done": N_("Understood"),
    "parked": N_("Parked"),
    "repeat": N_("Repeat"),
    "refused": N_("Refused"),
    "dismissed": N_("Dismissed"),
}
DONE_MESSAGES = {
    "replay": N_("It was worked out once more."),
    "dismiss": N_("It is dismissed, and can still be replayed."),
}


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries somebody wants to see; `before`: the id the page begins below, 0: none."""

    state: str
    source: str
    before: int

    def href(self, before: int = 0) -> str:
        """The same deliveries, from another one on."""
        fields = {"state": self.state, "source": self.source, "before": str(before or "")}
        said = {name: value for name, value in fields.items() if value}
        return f"{BASE_PATH}?{urlencode(said)}" if said else BASE_PATH


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, and where the next one begins (0: it is the last)."""

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
        kept = self.deps.deliveries
        search = parse_filter(request.query_params, kept)
        viewer, shown = await read_as(self.deps, request, read_page, kept, search)
        context = {
            "viewer": viewer,
            "delivery_page": shown,
            "filters": search,
            "states": [
                (word, translate_labels(STATE_LABELS).get(word, word)) for word in kept.states
            ],
            "state_labels": translate_labels(STATE_LABELS),
            "sources": [(each, each) for each in shown.sources],
        }
        return self.render(request, "admin_deliveries.html", context)

    async def show(self, request: Request) -> Response:
        """GET /admin/deliveries/{delivery}: its payload, with what is secret in it hidden."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/deliveries/{delivery} (act: replay or dismiss)."""
        form, id_, kept = await read_form(request), _delivery_id(request), self.deps.deliveries
        try:
            await act_as(self.deps, request, replay_or_dismiss, kept, id_, form.get("act"))
        except (Conflict, Invalid) as refusal:
            return await self._page(request, refusal)
        if form.get("act") == "replay":
            kept.wake_worker()
            await self._wait_until_processed(id_)
        return respond_done(request, f"{BASE_PATH}/{id_}?{urlencode({'done': form.get('act')})}")

    async def _wait_until_processed(self, id_: int) -> None:
        """Until the delivery is worked out, or that takes too long to be waited for."""
        for _ in range(REPLAY_POLL_ATTEMPTS):
            if (await self.deps.db.read(self.deps.deliveries.read_one, id_)).state != "pending":
                return
            await asyncio.sleep(REPLAY_POLL_INTERVAL)

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        kept = self.deps.deliveries
        viewer, (one, caused) = await read_as(
            self.deps, request, read_delivery, kept, _delivery_id(request)
        )
        told = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {
            "viewer": viewer,
            "delivery": one,
            "events": caused,
            "payload": format_payload(one.body),
            "state_labels": translate_labels(STATE_LABELS),
            "alert": str(refusal) if refusal is not None else None,
            "done": told if refusal is None and one.state != "pending" else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "admin_delivery.html", context, status=status)


def parse_filter(fields: Mapping[str, str], deliveries: DeliveryStore) -> DeliveryFilter:
    """What a URL asks for; what it cannot mean falls back to the default."""
    state = fields.get("state", "")
    source = fields.get("source", "").replace("\0", "")[:40]
    return DeliveryFilter(
        state if state in deliveries.states else "", source, _parse_id(fields.get("before", ""))
    )


def read_page(
    tx: Connection, viewer: Viewer, deliveries: DeliveryStore, filter_: DeliveryFilter
) -> DeliveryPage:
    """A page, for who may see deliveries."""
    require(viewer, Permission.DELIVERIES)
    asked = deliveries.find_newest(
        tx, PAGE_SIZE + 1, state=filter_.state, source=filter_.source, before=filter_.before
    )
    found = [*asked]
    after = found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else 0
    return DeliveryPage(found[:PAGE_SIZE], [*deliveries.read_sources(tx)], after)


def read_delivery(
    tx: Connection, viewer: Viewer, deliveries: DeliveryStore, id_: int
) -> tuple[DeliveryDetail, list[CausedEvent]]:
    """A delivery, and the events it brought about."""
    require(viewer, Permission.DELIVERIES)
    return _read_one(tx, deliveries, id_), list_caused_events(tx, f"delivery:{id_}")


def replay_or_dismiss(
    tx: Connection, actor: Actor, deliveries: DeliveryStore, id_: int, action: str
) -> None:
    """Have a delivery worked out once more, or let it be."""
    require(actor.viewer, Permission.DELIVERIES)
    _read_one(tx, deliveries, id_)
    match action:
        case "replay":
            deliveries.replay(tx, id_)
        case "dismiss":
            deliveries.dismiss(tx, id_, actor.at)
        case _:
            raise Invalid(gettext("Nothing was to be done. Choose replay or dismiss."))


def _read_one(tx: Connection, deliveries: DeliveryStore, id_: int) -> DeliveryDetail:
    try:
        return deliveries.read_one(tx, id_)
    except NotFound:  # its own sentence speaks to who sits at a shell
        raise NotFound(
            gettext("There is no such delivery; settled ones are deleted after a while.")
        ) from None


def _delivery_id(request: Request) -> int:
    return _parse_id(str(request.path_params["delivery"]))


def _parse_id(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number and int(text) <= MAX_ID else 0
