"""Authenticate programs by the API key in their `Authorization` header (RFC 6750, 2.1).

A request with the header is the key's, or it is refused: it never falls back to a cookie. A key
works on the API, its streams, and on files. It never stands in an address, where logs keep it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope as AsgiScope

from deskwire.accounts import api_keys
from deskwire.accounts.api_keys import NEVER, TOKEN_PREFIX, ApiKey, Scope
from deskwire.accounts.identities import parse_principal
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database
from deskwire.kit.errors import Forbidden, Invalid, RateLimited
from deskwire.kit.token_bucket import TokenBuckets
from deskwire.realtime.subscription import Caller
from deskwire.workspaces.origin import Principal

CALLS_PER_MINUTE = 600  # of a key, in each server process
SECONDS_PER_MINUTE = 60  # s
SAFE_METHODS = frozenset({"GET", "HEAD"})
TOKEN_IN_TEXT = re.compile(TOKEN_PREFIX + r"[0-9a-f]{32}_")
ON_BEHALF_OF = "on-behalf-of"
RATE_LIMIT_POLICY = f'"calls";q={CALLS_PER_MINUTE};w={SECONDS_PER_MINUTE}'


class KeyAuthentication:
    """Find the key of a request, count its calls, and store that it is in use."""

    def __init__(
        self, db: Database, clock: Clock = now, buckets: TokenBuckets | None = None
    ) -> None:
        self._db = db
        self._clock = clock
        self._buckets = buckets or TokenBuckets(
            CALLS_PER_MINUTE, CALLS_PER_MINUTE / SECONDS_PER_MINUTE
        )

    async def find_key(self, request: HTTPConnection, scope: Scope) -> ApiKey | None:
        """Return the key of a request that needs a scope; None if the request sends none.

        Raises HTTPException (400) for a key in the address or beside a cookie, Unauthenticated for
        a key that is not accepted, Forbidden without the scope, and RateLimited.
        """
        refuse_key_in_url(request)
        token = read_bearer_token(request.headers)
        if token is None:
            return None
        if "cookie" in request.headers:
            raise HTTPException(400, "Send an API key or a cookie, not both.")
        at = self._clock()
        key = await self._db.read(api_keys.find_by_token, token, at)
        if scope not in key.scopes:
            raise Forbidden(f"This API key needs the scope `{scope}` for this.")
        if wait := self._buckets.take(key.id, 1):
            raise RateLimited(
                f"This API key may make {CALLS_PER_MINUTE} calls a minute.", math.ceil(wait)
            )
        if api_keys.is_use_due(key, at):
            await self._db.write(api_keys.record_use, key.id, at)
        return key

    def read_on_behalf_of(self, request: HTTPConnection, key: ApiKey) -> Principal | None:
        """Return the Discord user that the bot's key acts for: `On-Behalf-Of: discord:ID`.

        Raises Forbidden for any other kind of key, and Invalid if it names no Discord user.
        """
        value = request.headers.get(ON_BEHALF_OF)
        if value is None:
            return None
        if key.kind != "bot":
            raise Forbidden("Only a key of the bot may act for a Discord user.")
        provider, _, id_ = value.partition(":")
        if provider != "discord":
            raise Invalid("Send `On-Behalf-Of: discord:ID`, with the ID of a Discord user.")
        return parse_principal(provider, id_)

    def rate_limit_headers(self, key: ApiKey) -> Mapping[str, str]:
        """Return how many calls a key has left, for the headers of a response.

        The fields are those of draft-ietf-httpapi-ratelimit-headers.
        """
        left = self._buckets.count_left(key.id)
        return {
            "ratelimit-policy": RATE_LIMIT_POLICY,
            "ratelimit": f'"calls";r={left};t={SECONDS_PER_MINUTE}',
        }

    async def identify(self, scope: AsgiScope) -> Caller | None:
        """Return the key whose stream a request opens; None if the request sends none.

        Raises as `find_key` does, and Invalid if the stream is to be that of a Discord user: it
        would get all events of the key.
        """
        request = HTTPConnection(scope)
        key = await self.find_key(request, "stream")
        if key is None:
            return None
        if self.read_on_behalf_of(request, key) is not None:
            raise Invalid("A stream cannot be opened for a Discord user. Omit `On-Behalf-Of`.")
        return Caller(key.subject, key.subject, key.expires_at or NEVER)


def read_bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of the header `Authorization: Bearer …`; None without such a header.

    Other schemes are not ours: browsers send `Basic` to a proxy in front of us that asks for it.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def refuse_key_in_url(request: HTTPConnection) -> None:
    """Raise HTTPException (400) if a key stands in the query, which proxies and browsers keep."""
    if TOKEN_IN_TEXT.search(request.url.query):
        raise HTTPException(
            400,
            "An API key must not stand in an address, where logs keep it. Revoke this key, and "
            "send the new one as `Authorization: Bearer dw_…`.",
        )


def required_scope(method: str) -> Scope:
    """Return the scope a call needs by its method."""
    return "read" if method in SAFE_METHODS else "write"
