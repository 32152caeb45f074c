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
from deskwire.events.log import Caused, read_caused_by
from deskwire.kit.errors import Conflict, Invalid, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.context import act_as, read_as
from deskwire.web.delivery_store import Deliveries, Kept, Told
from deskwire.web.dependencies import Site
from deskwire.web.http.errors import status_of
from deskwire.web.http.forms import done, read_form
from deskwire.web.http.log_redaction import pretty
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.permissions import Right, demand

PATH = "/admin/deliveries"
PAGE = 50  # rows
MAX_ID = 2**63 - 1  # the largest number a database column holds
LOOKS, PAUSE = 20, 0.1  # times, and s between them, that a replayed one is waited for
STATE_LABELS = {
    "pending": N_("Waiting"),
    "done": N_("Understood"),
    "parked": N_("Parked"),
    "repeat": N_("Repeat"),
    "refused": N_("Refused"),
    "dismissed": N_("Dismissed"),
}
DONE = {
    "replay": N_("It was worked out once more."),
    "dismiss": N_("It is dismissed, and can still be replayed."),
}


@dataclass(frozen=True, slots=True)
class Search:
    """Which deliveries somebody wants to see; `before`: the id the page begins below, 0: none."""

    state: str
    source: str
    before: int

    def href(self, before: int = 0) -> str:
        """The same deliveries, from another one on."""
        fields = {"state": self.state, "source": self.source, "before": str(before or "")}
        said = {name: value for name, value in fields.items() if value}
        return f"{PATH}?{urlencode(said)}" if said else PATH


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of deliveries, and where the next one begins (0: it is the last)."""

    found: list[Told]
    sources: list[str]
    next: int


@dataclass(frozen=True, slots=True)
class DeliveriesAdmin:
    """`/admin/deliveries` and `/admin/deliveries/{delivery}`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/deliveries?state=&source=&before=."""
        kept = self.site.deliveries
        search = parse_search(request.query_params, kept)
        viewer, shown = await read_as(self.site, request, read_shown, kept, search)
        context = {
            "viewer": viewer,
            "shown": shown,
            "search": search,
            "states": [(word, said(STATE_LABELS).get(word, word)) for word in kept.states],
            "state_labels": said(STATE_LABELS),
            "sources": [(each, each) for each in shown.sources],
        }
        return self.render(request, "admin_deliveries.html", context)

    async def show(self, request: Request) -> Response:
        """GET /admin/deliveries/{delivery}: its payload, with what is secret in it hidden."""
        return await self._page(request)

    async def change(self, request: Request) -> Response:
        """POST /admin/deliveries/{delivery} (act: replay or dismiss)."""
        form, id_, kept = await read_form(request), _id(request), self.site.deliveries
        try:
            await act_as(self.site, request, settle, kept, id_, form.get("act"))
        except (Conflict, Invalid) as refusal:
            return await self._page(request, refusal)
        if form.get("act") == "replay":
            kept.ring()
            await self._wait(id_)
        return done(request, f"{PATH}/{id_}?{urlencode({'done': form.get('act')})}")

    async def _wait(self, id_: int) -> None:
        """Until the delivery is worked out, or that takes too long to be waited for."""
        for _ in range(LOOKS):
            if (await self.site.db.read(self.site.deliveries.read_one, id_)).state != "pending":
                return
            await asyncio.sleep(PAUSE)

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        kept = self.site.deliveries
        viewer, (one, caused) = await read_as(self.site, request, read_whole, kept, _id(request))
        told = said(DONE).get(request.query_params.get("done", ""))
        context = {
            "viewer": viewer,
            "one": one,
            "caused": caused,
            "payload": pretty(one.body),
            "state_labels": said(STATE_LABELS),
            "alert": str(refusal) if refusal is not None else None,
            "done": told if refusal is None and one.state != "pending" else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "admin_delivery.html", context, status=status)


def parse_search(fields: Mapping[str, str], kept: Deliveries) -> Search:
    """What a URL asks for; what it cannot mean falls back to the default."""
    state = fields.get("state", "")
    source = fields.get("source", "").replace("\0", "")[:40]
    return Search(state if state in kept.states else "", source, _number(fields.get("before", "")))


def read_shown(tx: Connection, viewer: Viewer, kept: Deliveries, search: Search) -> Shown:
    """A page, for who may see deliveries."""
    demand(viewer, Right.DELIVERIES)
    asked = kept.find(tx, PAGE + 1, state=search.state, source=search.source, before=search.before)
    found = [*asked]
    after = found[PAGE - 1].id if len(found) > PAGE else 0
    return Shown(found[:PAGE], [*kept.read_sources(tx)], after)


def read_whole(
    tx: Connection, viewer: Viewer, kept: Deliveries, id_: int
) -> tuple[Kept, list[Caused]]:
    """A delivery, and the events it brought about."""
    demand(viewer, Right.DELIVERIES)
    return _read_one(tx, kept, id_), read_caused_by(tx, f"delivery:{id_}")


def settle(tx: Connection, deed: Deed, kept: Deliveries, id_: int, what: str) -> None:
    """Have a delivery worked out once more, or let it be."""
    demand(deed.viewer, Right.DELIVERIES)
    _read_one(tx, kept, id_)
    match what:
        case "replay":
            kept.replay(tx, id_)
        case "dismiss":
            kept.dismiss(tx, id_, deed.at)
        case _:
            raise Invalid(gettext("Nothing was to be done. Choose replay or dismiss."))


def _read_one(tx: Connection, kept: Deliveries, id_: int) -> Kept:
    try:
        return kept.read_one(tx, id_)
    except NotFound:  # its own sentence speaks to who sits at a shell
        raise NotFound(
            gettext("There is no such delivery; settled ones are deleted after a while.")
        ) from None


def _id(request: Request) -> int:
    return _number(str(request.path_params["delivery"]))


def _number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number and int(text) <= MAX_ID else 0
