"""Decide who may read /metrics: the operator, who has a token but no account and no session.

with METRICS_TOKEN       clients that send `Authorization: Bearer …`, from anywhere; others get 401
without, development     programs on this machine that connect directly; others get 404
without, production      no one: the reverse proxy is on this machine too, and would admit everyone
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

CHALLENGE_HEADERS = {"www-authenticate": 'Bearer realm="metrics"', "cache-control": "no-store"}
# These headers, and any x-forwarded-*, show that the request came through a proxy.
PROXY_HEADERS = frozenset({"forwarded", "via", "x-real-ip"})


@dataclass(frozen=True, slots=True)
class MetricsAccess:
    """The credentials that /metrics asks for."""

    token: str = field(repr=False)  # empty: none is configured
    allows_loopback: bool  # whether programs on this machine are admitted if there is no token

    def check(self, request: Request) -> Response | None:
        """Return None if the request is allowed, else a 401 response.

        Without a token, raises the 404 of an unknown URL instead.
        """
        if self.token:
            authorization = request.headers.get("authorization", "")
            return None if is_bearer_token(authorization, self.token) else _challenge()
        host = request.client.host if request.client else ""
        if self.allows_loopback and is_direct_loopback(host, request.headers.keys()):
            return None
        raise HTTPException(404)


def is_bearer_token(authorization: str, token: str) -> bool:
    """Return whether a header carries the token (RFC 6750, 2.1), in constant time."""
    scheme, _, credentials = authorization.partition(" ")
    sent = credentials.strip().encode("latin-1")  # the bytes of the header
    return scheme.lower() == "bearer" and hmac.compare_digest(sent, token.encode())


def is_direct_loopback(host: str, headers: Iterable[str]) -> bool:
    """Return whether a program on this machine connects without a proxy in between."""
    if any(name in PROXY_HEADERS or name.startswith("x-forwarded-") for name in headers):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:  # not an IP address: a Unix socket, or a test client
        return False


def _challenge() -> Response:
    return PlainTextResponse(
        "Send METRICS_TOKEN as `Authorization: Bearer …`.\n", 401, CHALLENGE_HEADERS
    )
