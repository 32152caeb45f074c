"""Who may have a stream of requests: the team, and whoever belongs to an organization."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.types import Scope

from deskwire.events.access import Access
from deskwire.events.channels import PersonId
from deskwire.kit.db import Database
from deskwire.kit.errors import Unauthenticated
from deskwire.realtime.endpoint import Identify
from deskwire.realtime.subscription import Caller
from deskwire.web.api.organization_lookup import require_requests_access


def require_request_access(db: Database, access: Access, identify: Identify) -> Identify:
    """`identify`, for who has requests to hear of. Raises Unauthenticated, and NoOrganization.

    Asked as the stream begins: whoever is left without an organization later keeps a silent one.
    """

    async def ask(scope: Scope) -> Caller:
        caller = await identify(scope)
        if caller is None:
            raise Unauthenticated("Sign in to hear of requests.")
        await db.read(_check_access, access, caller.person)
        return caller

    return ask


def _check_access(tx: Connection, access: Access, person: PersonId) -> None:
    require_requests_access(tx, access.read_viewer(tx, person))
