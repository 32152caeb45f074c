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
    RateLimited,
    Refusal,
    TooLarge,
    Unauthenticated,
    Upstream,
)
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.web.dependencies import Dependencies, request_context, set_request_context
from deskwire.web.http.log_redaction import redact_paths
from deskwire.web.http.problems import (
    CODE_BY_STATUS,
    PROBLEM_MEDIA_TYPE,
    ProblemCode,
    json_pointer,
    render_problem,
)
from deskwire.web.rendering.render import FRAGMENT_HEADER, Render
from deskwire.workspaces.organizations.organizations import NoOrganization

STATUS_BY_REFUSAL: dict[type[Refusal], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    RateLimited: 429,
    TooLarge: 413,
    Upstream: 502,
}
DETAIL_BY_STATUS = {
    404: N_("There is nothing at this address, or it is not shared with you."),
    405: N_("This address does not take that kind of request."),
    408: N_("The request did not arrive in time. Try again."),
    413: N_("That was larger than this desk takes."),
    503: N_("The database takes nothing at this moment. Try again in a little."),
    500: N_("Something on our side broke. It was written down; trying again may help."),
}
TITLE_BY_STATUS = {
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
JSON_MEDIA_TYPES = ("application/json", PROBLEM_MEDIA_TYPE)
API_PREFIX = "/api/"
CREATE_ORGANIZATION_PATH = "/create-organization"  # for who belongs to none

ExceptionHandler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

logger = logging.getLogger(__name__)


def exception_handlers(
    deps: Dependencies, render: Render
) -> dict[int | type[Exception], ExceptionHandler]:
    """What the application does with exceptions; give it as its `exception_handlers`."""
    return ErrorResponses(deps, render).handlers


class ErrorResponses:
    """Turns exceptions into answers."""

    def __init__(self, deps: Dependencies, render: Render) -> None:
        self._deps = deps
        self._render = render
        self.handlers: dict[int | type[Exception], ExceptionHandler] = {
            Refusal: self._handle_refusal,
            HTTPException: self._handle_http_exception,
            OperationalError: self._handle_database_error,
            Exception: self._handle_unexpected,
        }

    async def _handle_refusal(self, request: Request, refusal: Refusal) -> Response:
        status, more = status_of(refusal), dict[str, object]()
        if status == 401 and not wants_no_redirect(request):
            return RedirectResponse(sign_in_url(request), 303)
        if isinstance(refusal, Invalid) and refusal.fields:
            more["fields"] = refusal.fields
        if isinstance(refusal, NoOrganization):
            more["code"], more["href"] = "no-active-organization", CREATE_ORGANIZATION_PATH
        headers = {}
        if isinstance(refusal, RateLimited):
            headers["retry-after"] = str(refusal.retry_after)
        return await self._respond(request, status, str(refusal), headers, more)

    async def _handle_http_exception(self, request: Request, refusal: HTTPException) -> Response:
        status = refusal.status_code
        sentence = (
            gettext(DETAIL_BY_STATUS[status]) if status in DETAIL_BY_STATUS else refusal.detail
        )
        return await self._respond(request, status, sentence, dict(refusal.headers or {}), {})

    async def _handle_database_error(self, request: Request, error: OperationalError) -> Response:
        logger.error("the database refused", exc_info=error)
        return await self._respond(
            request, 503, gettext(DETAIL_BY_STATUS[503]), {"retry-after": "5"}, {}
        )

    async def _handle_unexpected(self, request: Request, error: Exception) -> Response:
        reference = new_id()
        path = redact_paths(request.url.path)
        logger.error("%s %s broke (reference %s)", request.method, path, reference, exc_info=error)
        return await self._respond(
            request, 500, gettext(DETAIL_BY_STATUS[500]), {}, {"reference": reference}
        )

    async def _respond(
        self,
        request: Request,
        status: int,
        detail: str,
        headers: dict[str, str],
        extra: dict[str, object],
    ) -> Response:
        if wants_json(request) or "hx-request" in request.headers:
            response = problem_response(request, status, detail, extra)
        else:
            if status == 404:
                await self._load_request_context(request)
            context = {"title": title_of(status), "detail": detail, "status": status, **extra}
            response = self._render(
                request, "error.html", {"reference": None, **context}, status=status
            )
        response.headers.update(headers)
        return response

    async def _load_request_context(self, request: Request) -> None:
        """An unknown address has no policy, so nobody asked yet who is there."""
        if request_context(request).signed_in is None:
            set_request_context(request, await self._deps.find_signed_in(request), None)


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    return next(
        (status for kind, status in STATUS_BY_REFUSAL.items() if isinstance(refusal, kind)), 400
    )


def title_of(status: int) -> str:
    """A few words for people."""
    return (
        gettext(TITLE_BY_STATUS[status]) if status in TITLE_BY_STATUS else HTTPStatus(status).phrase
    )


def problem_response(
    request: HTTPConnection, status: int, detail: str, extra: Mapping[str, object]
) -> Response:
    """A problem as a response; `more` may name its code, where the status has several."""
    told: dict[str, Any] = dict(extra)
    code: ProblemCode = told.pop("code", None) or CODE_BY_STATUS[status]
    if "fields" in told and is_api(request):
        told["errors"] = [field_error(name, said) for name, said in told.pop("fields").items()]
    return Response(
        render_problem(code, detail, told),
        status,
        {"cache-control": "no-store"},
        PROBLEM_MEDIA_TYPE,
    )


def field_error(field: str, detail: str) -> dict[str, str]:
    """What is wrong with one field, by a pointer into the body; `?NAME` is a parameter."""
    if field.startswith("?"):
        return {"parameter": field[1:], "detail": detail}
    return {"pointer": field if field.startswith("#") else json_pointer(field), "detail": detail}


def is_api(request: HTTPConnection) -> bool:
    """Whether a program's address was asked for."""
    return request.url.path.startswith(API_PREFIX)


def wants_json(request: HTTPConnection) -> bool:
    """Whether a program asks: by the address, or because it says so and no page would do."""
    if is_api(request):
        return True
    accept = request.headers.get("accept", "")
    return "text/html" not in accept and any(kind in accept for kind in JSON_MEDIA_TYPES)


def wants_no_redirect(request: HTTPConnection) -> bool:
    """Whether a redirect to the sign-in page would be put where it does not belong."""
    is_part = FRAGMENT_HEADER in request.headers or "hx-request" in request.headers
    return is_part or wants_json(request)


def sign_in_url(request: Request) -> str:
    """Where to sign in, and back to this page afterwards (not to what a form posted to)."""
    if request.method not in ("GET", "HEAD"):
        return "/sign-in"
    query = request.url.query
    return "/sign-in?" + urlencode({"next": request.url.path + (f"?{query}" if query else "")})
