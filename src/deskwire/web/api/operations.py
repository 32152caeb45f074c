"""Turn annotated functions into endpoints of the API.

    async def create_request(
        call: Call, query: OrganizationQuery, body: NewRequest
    ) -> RequestInFull:

The annotations say what an operation accepts and returns, and the OpenAPI document is generated
from them: `query` is parsed from the query of the URL, `body` from JSON, and the result becomes the
response (None: 204). The docstring is the operation's documentation, its first line the summary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, get_type_hints
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskwire.accounts.idempotency import KeyedCall
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId, SubjectId
from deskwire.kit.errors import Forbidden, Invalid, NotFound
from deskwire.kit.ids import is_id
from deskwire.kit.strict_json import parse_json
from deskwire.tickets.prepared_text import PreparedText
from deskwire.web.api.idempotency import (
    REPLAYED_HEADER,
    RecordResult,
    build_keyed_call,
    read_key,
    run_once,
)
from deskwire.web.api.shapes import QueryParams, RequestBody
from deskwire.web.context import (
    act_as,
    active_organization_id,
    read_as,
    request_context,
    require_person,
    require_subject,
)
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.problems import json_pointer
from deskwire.web.http.uploads import stream_body
from deskwire.workspaces.actor import Actor

JSON_MEDIA_TYPE = "application/json"
MAX_ERRORS = 20  # errors in one response; a body of a megabyte could have a hundred thousand
MAX_ERRORS_IN_DETAIL = 3  # errors that `detail` repeats
ERROR_MESSAGES = {
    "missing": "This field is required.",
    "extra_forbidden": "This field is unknown.",
    "model_type": "This must be an object.",
}

P = ParamSpec("P")
T = TypeVar("T")
OperationFunction = Callable[..., Awaitable[BaseModel | None]]
Callers = Literal["all", "people", "keys"]


@dataclass(slots=True)
class Call:
    """One call of an operation; `status` and `headers` are those of its response."""

    request: Request
    deps: Dependencies
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"cache-control": "no-store"})
    keyed: KeyedCall | None = None  # with an `Idempotency-Key`

    @property
    def person_id(self) -> PersonId:
        """The signed-in person. Raises Forbidden for an API key, for what only people do."""
        if request_context(self.request).key is not None:
            raise Forbidden("An API key can’t do this. Sign in to do it.")
        return require_person(self.request).id

    @property
    def subject(self) -> SubjectId:
        """The person or the API key that calls."""
        return require_subject(self.request)

    @property
    def client_ip(self) -> str | None:
        return self.request.client.host if self.request.client else None

    @property
    def active_organization_id(self) -> str | None:
        """The id of the session's active organization; None if it has not chosen one."""
        return active_organization_id(self.request)

    @property
    def cursor(self) -> str:
        """The cursor of the log before anything was read."""
        return request_context(self.request).cursor or ""

    def path_id(self, name: str) -> str:
        """Return an id in the path. Raises NotFound if it is not a valid id."""
        id_ = str(self.request.path_params[name])
        if not is_id(id_):
            raise NotFound("This page doesn’t exist, or you don’t have access to it.")
        return id_

    async def prepare_text(self, text: str) -> str | PreparedText:
        """Prepare a text for an action. Raises RateLimited if the caller writes too much."""
        return await self.deps.texts.prepare(self.subject, text)

    async def read(
        self,
        query: Callable[Concatenate[Connection, Viewer, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a query with the permissions of the caller."""
        return (await read_as(self.deps, self.request, query, *args, **kwargs))[1]

    async def write(
        self,
        action: Callable[Concatenate[Connection, Actor, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an action with the permissions of the caller, in its own transaction."""
        return await act_as(self.deps, self.request, action, *args, **kwargs)

    async def make(
        self,
        action: Callable[Concatenate[Connection, Actor, P], str],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> str:
        """Run the action of a POST or PATCH; return the id of what it created or changed.

        If the call is repeated with its `Idempotency-Key`, the action does not run again, and the
        id is that of the first call: render it as the caller may see it now.
        """
        if self.keyed is None:
            return await self.write(action, *args, **kwargs)

        def run(record: RecordResult) -> Awaitable[str]:
            def act(tx: Connection, actor: Actor) -> str:
                made_id = action(tx, actor, *args, **kwargs)
                record(tx, made_id)
                return made_id

            return self.write(act)

        made_id, recorded = await run_once(self.deps.db, self.keyed, self.status, run)
        if recorded is not None:
            self.status, self.headers[REPLAYED_HEADER] = recorded.status, "true"
        return made_id


class Operation:
    """An endpoint of the API.

    `operation_id` is what generated clients call the operation; it never changes. `status` is that
    of a response with a body. With `takes_file` the function reads the body itself, as a file.
    `callers` says in the documentation who can call it; the permissions are asked by its action.
    """

    def __init__(
        self,
        deps: Dependencies,
        function: OperationFunction,
        operation_id: str,
        status: int = 200,
        *,
        takes_file: bool = False,
        callers: Callers = "all",
    ) -> None:
        hints = get_type_hints(function)
        self.function, self.deps = function, deps
        self.operation_id, self.takes_file, self.callers = operation_id, takes_file, callers
        self.query_model: type[QueryParams] | None = hints.get("query")
        self.body_model: type[RequestBody] | None = hints.get("body")
        result = hints["return"]
        self.response_model: type[BaseModel] | None = None if result is type(None) else result
        self.status = status if self.response_model is not None else 204

    async def __call__(self, request: Request) -> Response:
        """Respond to a request. Raises Invalid, and whatever the function raises."""
        arguments: dict[str, QueryParams | RequestBody] = {}
        key, body = read_key(request), b""
        query = parse_query(self.query_model or QueryParams, request)
        if self.query_model is not None:
            arguments["query"] = query
        if self.body_model is not None:
            body = await read_json_body(request)
            arguments["body"] = parse_body(self.body_model, body)
        call = Call(request, self.deps, self.status)
        if key is not None and not any(each.chosen_id for each in arguments.values()):
            call.keyed = build_keyed_call(request, request_context(request).sender or "", key, body)
        result = await self.function(call, **arguments)
        if result is None:
            return Response(status_code=call.status, headers=call.headers)
        content = result.model_dump(mode="json", by_alias=True)
        return JSONResponse(content, call.status, call.headers)


def add_next_link(call: Call, next_key: str | None) -> None:
    """Add a Link header to the next page, if there is one (RFC 8288)."""
    if next_key is not None:
        fields = {**dict(call.request.query_params), "after": next_key}
        call.headers["link"] = f'<{call.request.url.path}?{urlencode(fields)}>; rel="next"'


def invalid_after_error() -> Invalid:
    """Return the error for a parameter `after` that is not a page key."""
    message = "Use the `next` of the previous page as `after`."
    return Invalid(message, {"?after": "This is not a page key."})


def empty_patch_error() -> Invalid:
    """Return the error for a PATCH whose body changes nothing."""
    return Invalid("The body is empty. Send the fields to change.", {"#": "Send at least one."})


def parse_query(model: type[QueryParams], request: Request) -> QueryParams:
    """Parse the query of the URL. Raises Invalid for unknown, invalid or repeated parameters."""
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            message = "This parameter may appear only once."
            raise Invalid(message, {f"?{name[:60]}": message})
        fields[name] = value
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _validation_refusal(error, lambda *path: f"?{path[0]}") from None


async def read_json_body(request: Request) -> bytes:
    """Return the body. Raises HTTPException with 415 if it is not declared as JSON.

    Requiring the media type keeps HTML forms of other sites out: they cannot send it (CSRF).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON_MEDIA_TYPE:
        raise HTTPException(415, f"Send the body as {JSON_MEDIA_TYPE}.")
    return b"".join([chunk async for chunk in stream_body(request)])


def parse_body(model: type[RequestBody], body: bytes) -> RequestBody:
    """Parse a JSON body. Raises Invalid, or HTTPException with 400 if it is not JSON."""
    try:
        value = parse_json(body)
    except Invalid as refusal:
        raise HTTPException(400, f"The body is not JSON: {refusal}") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _validation_refusal(error, json_pointer) from None


def _validation_refusal(error: ValidationError, field_name: Callable[..., str]) -> Invalid:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    fields = {field_name(*each["loc"])[:200]: _error_message(each) for each in errors[:MAX_ERRORS]}
    messages = [f"{name.lstrip('#/?') or 'body'}: {message}" for name, message in fields.items()]
    return Invalid(" ".join(messages[:MAX_ERRORS_IN_DETAIL]), fields)


def _error_message(error: Mapping[str, Any]) -> str:
    return ERROR_MESSAGES.get(error["type"]) or f"{error['msg'].rstrip('.')}."
