"""Decide whether a client wants HTML, JSON, or a fragment that must not be redirected."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from deskwire.web.http.fragments import FRAGMENT_HEADER
from deskwire.web.http.problems import PROBLEM_MEDIA_TYPE

JSON_MEDIA_TYPES = ("application/json", PROBLEM_MEDIA_TYPE)
API_PREFIX = "/api/"


def is_api(request: HTTPConnection) -> bool:
    """Return whether the path belongs to the API."""
    return request.url.path.startswith(API_PREFIX)


def wants_json(request: HTTPConnection) -> bool:
    """Return whether to answer in JSON: below the API, to API keys, or if Accept asks for it.

    Accept does by naming JSON and not HTML.
    """
    authorization = request.headers.get("authorization", "")
    if is_api(request) or authorization.lower().startswith("bearer "):
        return True
    accept = request.headers.get("accept", "")
    return "text/html" not in accept and any(kind in accept for kind in JSON_MEDIA_TYPES)


def wants_no_redirect(request: HTTPConnection) -> bool:
    """Return whether a script would put the sign-in page where a fragment or JSON belongs."""
    is_partial = FRAGMENT_HEADER in request.headers or "hx-request" in request.headers
    return is_partial or wants_json(request)
