"""Show operators how far each consumer of the log has come, and let them steer it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.consumers import admin
from deskwire.events.consumers.admin import ConsumerState
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
from deskwire.workspaces.organizations.permissions import Permission, can, require
from deskwire.workspaces.role_audit import ROLE_AUDIT

BASE_PATH = "/admin/integrations"
# What each consumer is for. One of another version has no text.
PURPOSES = {
    ROLE_AUDIT.name: N_("Records who was given a role or permissions, and who lost them."),
}
DONE_MESSAGES = {
    "stop": N_("Stopped. Start it again before the log is trimmed, or it loses events."),
    "start": N_("Started. It continues where it stopped."),
    "retry": N_("The events set aside are being retried."),
    "dismiss": N_("The event was dismissed."),
}


@dataclass(frozen=True, slots=True)
class IntegrationsAdminPages:
    """`/admin/integrations`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/integrations: a card for each consumer."""
        return await self._page(request)

    async def apply_change(self, request: Request) -> Response:
        """POST /admin/integrations (act: stop, start, retry or dismiss; name; position)."""
        form = await read_form(request)
        action = form.get("act")
        try:
            position = parse_row_id(form.get("position"))
            await act_as(self.deps, request, steer, action, form.get("name"), position)
        except (Conflict, Invalid) as refusal:
            return await self._page(request, refusal)
        return respond_done(request, url_with_query(BASE_PATH, {"done": action}))

    async def _page(self, request: Request, refusal: Refusal | None = None) -> Response:
        viewer, consumers = await read_as(self.deps, request, read_consumers)
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {
            "viewer": viewer,
            "consumers": consumers,
            "purposes": translate_labels(PURPOSES),
            "can_change": can(viewer, Permission.CHANGE_INTEGRATIONS),
            "alert": str(refusal) if refusal is not None else None,
            "done": done if refusal is None else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "admin_integrations.html", context, status=status)


def read_consumers(tx: Connection, viewer: Viewer) -> list[ConsumerState]:
    """Read the state of every consumer. Raises Forbidden without the permission to see them."""
    require(viewer, Permission.INTEGRATIONS)
    return admin.list_consumers(tx)


def steer(tx: Connection, actor: Actor, action: str, name: str, position: int) -> None:
    """Stop or start a consumer, or retry or dismiss what it set aside.

    Raises Forbidden, NotFound or Invalid.
    """
    require(actor.viewer, Permission.CHANGE_INTEGRATIONS)
    match action:
        case "stop" | "start":
            admin.set_stopped(tx, name, stopped=action == "stop")
        case "retry":
            admin.retry_failures(tx, name, actor.at)
        case "dismiss":
            admin.dismiss_failure(tx, name, position)
        case _:
            raise Invalid(gettext("Nothing to do. Choose Stop, Start, Retry or Dismiss."))
