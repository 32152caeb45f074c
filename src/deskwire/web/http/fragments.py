"""Distinguish a request for a whole page from one for fragments of it.

A page keeps itself up to date by asking for its own URL with `?fragment=ID,ID` and
FRAGMENT_HEADER; it gets those elements only.
"""

from __future__ import annotations

from starlette.requests import Request

FRAGMENT_HEADER = "x-deskwire-fragment"
MAX_FRAGMENTS = 20  # ids in one request; the largest page has six
OWN_FETCH_SITES = frozenset({"same-origin", "none"})  # Sec-Fetch-Site: our pages, and bookmarks


def requested_fragments(request: Request) -> list[str] | None:
    """Return the element ids a request asks for; None if it asks for the whole page."""
    if FRAGMENT_HEADER not in request.headers:
        return None
    return request.query_params.get("fragment", "").split(",")[:MAX_FRAGMENTS]


def is_navigation(request: Request) -> bool:
    """Return whether a person navigates to a page from within this desk or from a bookmark.

    False for fragments, prefetches, and navigations that another site started.
    """
    sites = set(request.headers.getlist("sec-fetch-site"))
    is_prefetch = "prefetch" in request.headers.get("sec-purpose", "")
    is_whole_page = request.method == "GET" and requested_fragments(request) is None
    return is_whole_page and not is_prefetch and sites <= OWN_FETCH_SITES
