"""Every refusal as an answer: the one map from what went wrong to what is sent.

Browsers get a page, programs a problem (`problems.py`). Nothing of the request is repeated, so
that "not yours" and "does not exist" are the same bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response

from deskwire.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
    TooLarge,
    TooMany,
    Unauthenticated,
    Upstream,
)
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.web.dependencies import Site, begin_visit, visit_of
from deskwire.web.http.log_redaction import redact
from deskwire.web.http.problems import BY_STATUS, KIND, Code, document, pointer
from deskwire.web.rendering.render import FRAGMENT_HEADER, Render
from deskwire.workspaces.organizations.organizations import NoOrganization

STATUSES: dict[type[Refusal], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooMany: 429,
    TooLarge: 413,
    Upstream: 502,
}
SENTENCES = {
    404: N_("There is nothing at this address, or it is not shared with you."),
    405: N_("This address does not take that kind of request."),
    408: N_("The request did not arrive in time. Try again."),
    413: N_("That was larger than this desk takes."),
    503: N_("The database takes nothing at this moment. Try again in a little."),
    500: N_("Something on our side broke. It was written down; trying again may help."),
}
TITLES = {
    401: N_("Sign in first"),
    403: N_("Not allowed"),
    404: N_("Nothing here"),
    405: N_("Not like this"),
    408: N_("That took too long"),
    409: N_("That does not fit"),
    413: N_("Too large"),
    422: N_("That cannot be accepted"),
    429: N_("One moment"),
    500: N_("Something broke"),
    503: N_("Not now"),
    502: N_("Another system did not answer"),
}
JSON_KINDS = ("application/json", KIND)
API = "/api/"
ELSEWHERE = "/create-organization"  # for who belongs to none

Answer = Callable[[Request, Any], Coroutine[Any, Any, Response]]

logger = logging.getLogger(__name__)


def handlers(site: Site, render: Render) -> dict[int | type[Exception], Answer]:
    """What the application does with exceptions; give it as its `exception_handlers`."""
    return Answers(site, render).table


class Answers:
    """Turns exceptions into answers."""

    def __init__(self, site: Site, render: Render) -> None:
        self._site = site
        self._render = render
        self.table: dict[int | type[Exception], Answer] = {
            Refusal: self._refused,
            HTTPException: self._refused_by_http,
            OperationalError: self._database_refused,
            Exception: self._crashed,
        }

    async def _refused(self, request: Request, refusal: Refusal) -> Response:
        status, more = status_of(refusal), dict[str, object]()
        if status == 401 and not wants_program_answer(request):
            return RedirectResponse(sign_in_address(request), 303)
        if isinstance(refusal, Invalid) and refusal.fields:
            more["fields"] = refusal.fields
        if isinstance(refusal, NoOrganization):
            more["code"], more["href"] = "no-active-organization", ELSEWHERE
        headers = {}
        if isinstance(refusal, TooMany):
            headers["retry-after"] = str(refusal.retry_after)
        return await self._answer(request, status, str(refusal), headers, more)

    async def _refused_by_http(self, request: Request, refusal: HTTPException) -> Response:
        status = refusal.status_code
        sentence = gettext(SENTENCES[status]) if status in SENTENCES else refusal.detail
        return await self._answer(request, status, sentence, dict(refusal.headers or {}), {})

    async def _database_refused(self, request: Request, error: OperationalError) -> Response:
        logger.error("the database refused", exc_info=error)
        return await self._answer(request, 503, gettext(SENTENCES[503]), {"retry-after": "5"}, {})

    async def _crashed(self, request: Request, error: Exception) -> Response:
        reference = new_id()
        path = redact(request.url.path)
        logger.error("%s %s broke (reference %s)", request.method, path, reference, exc_info=error)
        return await self._answer(
            request, 500, gettext(SENTENCES[500]), {}, {"reference": reference}
        )

    async def _answer(
        self,
        request: Request,
        status: int,
        sentence: str,
        headers: dict[str, str],
        more: dict[str, object],
    ) -> Response:
        if wants_json(request) or "hx-request" in request.headers:
            response = problem(request, status, sentence, more)
        else:
            if status == 404:
                await self._see_who(request)
            context = {"title": title_of(status), "sentence": sentence, "status": status, **more}
            response = self._render(
                request, "error.html", {"reference": None, **context}, status=status
            )
        response.headers.update(headers)
        return response

    async def _see_who(self, request: Request) -> None:
        """An unknown address has no policy, so nobody asked yet who is there."""
        if visit_of(request).signed_in is None:
            begin_visit(request, await self._site.current(request), None)


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    return next((status for kind, status in STATUSES.items() if isinstance(refusal, kind)), 400)


def title_of(status: int) -> str:
    """A few words for people."""
    return gettext(TITLES[status]) if status in TITLES else HTTPStatus(status).phrase


def problem(
    request: HTTPConnection, status: int, sentence: str, more: Mapping[str, object]
) -> Response:
    """A problem as a response; `more` may name its code, where the status has several."""
    told: dict[str, Any] = dict(more)
    code: Code = told.pop("code", None) or BY_STATUS[status]
    if "fields" in told and is_api(request):
        told["errors"] = [place_of(name, said) for name, said in told.pop("fields").items()]
    return Response(document(code, sentence, told), status, {"cache-control": "no-store"}, KIND)


def place_of(name: str, sentence: str) -> dict[str, str]:
    """What is wrong with one field, by a pointer into the body; `?NAME` is a parameter."""
    if name.startswith("?"):
        return {"parameter": name[1:], "detail": sentence}
    return {"pointer": name if name.startswith("#") else pointer(name), "detail": sentence}


def is_api(request: HTTPConnection) -> bool:
    """Whether a program's address was asked for."""
    return request.url.path.startswith(API)


def wants_json(request: HTTPConnection) -> bool:
    """Whether a program asks: by the address, or because it says so and no page would do."""
    if is_api(request):
        return True
    accept = request.headers.get("accept", "")
    return "text/html" not in accept and any(kind in accept for kind in JSON_KINDS)


def wants_program_answer(request: HTTPConnection) -> bool:
    """Whether a redirect to the sign-in page would be put where it does not belong."""
    is_part = FRAGMENT_HEADER in request.headers or "hx-request" in request.headers
    return is_part or wants_json(request)


def sign_in_address(request: Request) -> str:
    """Where to sign in, and back to this page afterwards (not to what a form posted to)."""
    if request.method not in ("GET", "HEAD"):
        return "/sign-in"
    query = request.url.query
    return "/sign-in?" + urlencode({"next": request.url.path + (f"?{query}" if query else "")})
