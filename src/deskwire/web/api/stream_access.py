"""Build the streams: who may open them, and the stream of requests only for those who have any."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection
from starlette.types import ASGIApp, Scope

from deskwire.events.access import Access
from deskwire.events.channels import SubjectId
from deskwire.kit.db import Database
from deskwire.kit.errors import Unauthenticated
from deskwire.realtime.endpoint import Identify, StreamEndpoint
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Caller
from deskwire.web.api.organization_lookup import require_requests_access


def build_streams(
    db: Database,
    access: Access,
    hub: Callable[[], Hub],
    identify_key: Identify,
    identify_browser: Identify,
) -> dict[str, ASGIApp]:
    """Build the endpoint of each scope; a request that sends a key never falls back to a cookie."""

    async def identify(scope: Scope) -> Caller | None:
        return await identify_key(scope) or await identify_browser(scope)

    identify_for_requests = require_request_access(db, access, identify)
    return {
        "all": StreamEndpoint("all", hub, identify),
        "guilds": StreamEndpoint("guilds", hub, identify),
        "requests": StreamEndpoint("requests", hub, identify_for_requests),
    }


def require_request_access(db: Database, access: Access, identify: Identify) -> Identify:
    """Wrap `identify` so that it raises Unauthenticated or NoOrganization.

    The check runs when the stream opens: a person who leaves their last organization later keeps
    an open stream on which nothing arrives.
    """

    async def identify_with_requests(scope: Scope) -> Caller:
        caller = await identify(scope)
        if caller is None:
            raise Unauthenticated("Sign in to open a stream of requests.")
        await db.read(_check_access, access, caller.subject)
        return caller

    return identify_with_requests


def _check_access(tx: Connection, access: Access, subject: SubjectId) -> None:
    require_requests_access(tx, access.read_viewer(tx, subject))
