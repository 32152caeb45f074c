"""Operators: who may read what this process tells about itself. A token, no person, no session.

with METRICS_TOKEN       whoever sends it as `Authorization: Bearer …`, from anywhere; others 401
without, development     programs on this machine that come here directly; others 404
without, production      nobody: the proxy is on this machine as well, and would let everybody in
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
PROXY_HEADERS = frozenset(
    {"forwarded", "via", "x-real-ip"}
)  # and x-forwarded-…: somebody is in between


@dataclass(frozen=True, slots=True)
class MetricsAccess:
    """What an operator is known by."""

    token: str = field(repr=False)  # empty: none is set
    allows_loopback: bool  # whether, without a token, this machine's own programs are let in

    def check(self, request: Request) -> Response | None:
        """None if an operator asks. Without a token others get what an unknown address answers."""
        if self.token:
            given = request.headers.get("authorization", "")
            return None if is_bearer_token(given, self.token) else _challenge()
        host = request.client.host if request.client else ""
        if self.allows_loopback and is_direct_loopback(host, request.headers.keys()):
            return None
        raise HTTPException(404)


def is_bearer_token(authorization: str, token: str) -> bool:
    """Whether a header carries the token (RFC 6750, 2.1); takes as long whatever is wrong."""
    scheme, _, given = authorization.partition(" ")
    sent = given.strip().encode("latin-1")  # as the header came
    return scheme.lower() == "bearer" and hmac.compare_digest(sent, token.encode())


def is_direct_loopback(host: str, headers: Iterable[str]) -> bool:
    """Whether a program on this machine asks, with nobody in between."""
    if any(name in PROXY_HEADERS or name.startswith("x-forwarded-") for name in headers):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:  # no address: a socket of another kind, a test
        return False


def _challenge() -> Response:
    return PlainTextResponse(
        "Send METRICS_TOKEN as `Authorization: Bearer …`.\n", 401, CHALLENGE_HEADERS
    )
