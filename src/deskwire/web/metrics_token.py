"""Decide who may read /metrics: the operator, who has a token but no account and no session.

with METRICS_TOKEN       clients that send `Authorization: Bearer …`, from anywhere; others get 401
without, development     programs on this machine that connect directly (web/local_requests.py);
                         others get 404
without, production      no one: the reverse proxy is on this machine too, and would admit everyone
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from deskwire.web.local_requests import LocalRequests

CHALLENGE_HEADERS = {"www-authenticate": 'Bearer realm="metrics"', "cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class MetricsAccess:
    """The credentials that /metrics asks for."""

    token: str = field(repr=False)  # empty: none is configured
    admitted: LocalRequests | None  # without a token; None: no request is

    def check(self, request: Request) -> Response | None:
        """Return None if the request is allowed, else a 401 response.

        Without a token, raises the 404 of an unknown URL instead.
        """
        if self.token:
            authorization = request.headers.get("authorization", "")
            return None if is_bearer_token(authorization, self.token) else _challenge()
        if self.admitted is not None and self.admitted.contains(request):
            return None
        raise HTTPException(404)


def is_bearer_token(authorization: str, token: str) -> bool:
    """Return whether a header carries the token (RFC 6750, 2.1), in constant time."""
    scheme, _, credentials = authorization.partition(" ")
    sent = credentials.strip().encode("latin-1")  # the bytes of the header
    return scheme.lower() == "bearer" and hmac.compare_digest(sent, token.encode())


def _challenge() -> Response:
    return PlainTextResponse(
        "Send METRICS_TOKEN as `Authorization: Bearer …`.\n", 401, CHALLENGE_HEADERS
    )
