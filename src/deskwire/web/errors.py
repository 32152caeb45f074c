"""Turn exceptions into responses: the one map from refusals to HTTP statuses.

Browsers get a page, programs a problem document (`http/problems.py`). The response repeats nothing
of the request, so that "not yours" and "does not exist" are the same bytes.
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

from deskwire.accounts.idempotency import RETRY_AFTER as CALL_RETRY_AFTER
from deskwire.accounts.idempotency import CallInProgress, KeyReused
from deskwire.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Upstream,
)
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.web.context import request_context, set_request_context
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.log_redaction import redact_secrets
from deskwire.web.http.negotiation import is_api, wants_json, wants_no_redirect
from deskwire.web.http.problems import (
    CODE_BY_STATUS,
    PROBLEM_MEDIA_TYPE,
    ProblemCode,
    json_pointer,
    render_problem,
)
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.organizations import NoOrganization

STATUS_BY_REFUSAL: dict[type[Refusal], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    RateLimited: 429,
    TooLarge: 413,
    Unavailable: 503,
    Upstream: 502,
}
DETAIL_BY_STATUS = {
    404: N_("This page doesn’t exist, or you don’t have access to it."),
    405: N_("This address doesn’t support that method."),
    408: N_("Your data took too long to arrive. Try again."),
    413: N_("You sent more data than this server accepts."),
    503: N_("The database is unavailable right now. Try again in a moment."),
    500: N_("Something went wrong on our side, and the error was logged. Try again."),
}
TITLE_BY_STATUS = {
    401: N_("Sign in to continue"),
    403: N_("Access denied"),
    404: N_("Page not found"),
    405: N_("Method not allowed"),
    408: N_("Timed out"),
    409: N_("Conflict"),
    413: N_("Too large"),
    422: N_("Check what you entered"),
    429: N_("Too many attempts"),
    500: N_("Something went wrong"),
    503: N_("Temporarily unavailable"),
    502: N_("Another system didn’t respond"),
}
RETRY_AFTER = 5  # s; short outages are over by then, and a client that asks again costs little
CREATE_ORGANIZATION_PATH = "/create-organization"  # where people without an organization are sent

ExceptionHandler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

logger = logging.getLogger(__name__)


def exception_handlers(
    deps: Dependencies, render: Render
) -> dict[int | type[Exception], ExceptionHandler]:
    """Return the handlers to pass to Starlette as `exception_handlers`."""
    return ErrorResponses(deps, render).handlers


class ErrorResponses:
    """Render each kind of exception as a response."""

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
        status, extra = status_of(refusal), dict[str, object]()
        if status == 401 and not wants_no_redirect(request):
            return RedirectResponse(sign_in_url(request), 303)
        if isinstance(refusal, Invalid) and refusal.fields:
            extra["fields"] = refusal.fields
        if isinstance(refusal, NoOrganization):
            extra["code"], extra["href"] = "no-active-organization", CREATE_ORGANIZATION_PATH
        headers = {}
        if isinstance(refusal, KeyReused):
            extra["code"] = "idempotency-key-reused"
        if isinstance(refusal, CallInProgress):
            extra["code"] = "idempotency-in-progress"
            headers["retry-after"] = str(CALL_RETRY_AFTER)
        if isinstance(refusal, RateLimited):
            headers["retry-after"] = str(refusal.retry_after)
        if isinstance(refusal, Unavailable):
            logger.error("%s", refusal.reason)
            headers["retry-after"] = str(RETRY_AFTER)
        return await self._respond(request, status, str(refusal), headers, extra)

    async def _handle_http_exception(self, request: Request, error: HTTPException) -> Response:
        status = error.status_code
        detail = gettext(DETAIL_BY_STATUS[status]) if status in DETAIL_BY_STATUS else error.detail
        return await self._respond(request, status, detail, dict(error.headers or {}), {})

    async def _handle_database_error(self, request: Request, error: OperationalError) -> Response:
        logger.error("the database refused a statement: %s", error.orig, extra={"kind": "database"})
        return await self._respond(
            request, 503, gettext(DETAIL_BY_STATUS[503]), {"retry-after": str(RETRY_AFTER)}, {}
        )

    async def _handle_unexpected(self, request: Request, error: Exception) -> Response:
        reference = new_id()
        path = redact_secrets(request.url.path)
        logger.error(
            "%s %s failed (reference %s)",
            request.method,
            path,
            reference,
            exc_info=error,
            extra={"reference": reference},
        )
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
        """Load the session for an unknown URL: it has no policy that would have loaded it."""
        if request_context(request).signed_in is None:
            set_request_context(request, await self._deps.find_signed_in(request), None)


def status_of(refusal: Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return next(
        (status for kind, status in STATUS_BY_REFUSAL.items() if isinstance(refusal, kind)), 400
    )


def title_of(status: int) -> str:
    """Return a short title for people."""
    return (
        gettext(TITLE_BY_STATUS[status]) if status in TITLE_BY_STATUS else HTTPStatus(status).phrase
    )


def problem_response(
    request: HTTPConnection, status: int, detail: str, extra: Mapping[str, object]
) -> Response:
    """Build a problem response; `extra` may hold its code, where the status has several."""
    members: dict[str, Any] = dict(extra)
    code: ProblemCode = members.pop("code", None) or CODE_BY_STATUS[status]
    if "fields" in members and is_api(request):
        fields = members.pop("fields")
        members["errors"] = [field_error(name, message) for name, message in fields.items()]
    return Response(
        render_problem(code, detail, members),
        status,
        {"cache-control": "no-store"},
        PROBLEM_MEDIA_TYPE,
    )


def field_error(field: str, detail: str) -> dict[str, str]:
    """Describe an invalid field: `?NAME` is a query parameter, else a pointer into the body."""
    if field.startswith("?"):
        return {"parameter": field[1:], "detail": detail}
    return {"pointer": field if field.startswith("#") else json_pointer(field), "detail": detail}


def sign_in_url(request: Request) -> str:
    """Return the sign-in page that leads back here; without the way back from a posted form."""
    if request.method not in ("GET", "HEAD"):
        return "/sign-in"
    query = request.url.query
    return "/sign-in?" + urlencode({"next": request.url.path + (f"?{query}" if query else "")})
