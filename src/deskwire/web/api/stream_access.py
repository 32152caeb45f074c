"""Restrict the stream of requests to staff and members of organizations."""

from __future__ import annotations

from sqlalchemy import Connection
from starlette.types import Scope

from deskwire.events.access import Access
from deskwire.events.channels import SubjectId
from deskwire.kit.db import Database
from deskwire.kit.errors import Unauthenticated
from deskwire.realtime.endpoint import Identify
from deskwire.realtime.subscription import Caller
from deskwire.web.api.organization_lookup import require_requests_access


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
