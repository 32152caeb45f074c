"""Operations: what the API's addresses do. Each is a function that says by its annotations what it
takes and gives; the document of the API is made of the same annotations.

    async def file(call: Call, query: OfOrganization, given: NewRequest) -> RequestInFull:

A `Query` is read from the address, a `Given` from the body, what comes back is the answer (None:
204). The first line of its docstring is its title.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.ids import is_id
from deskwire.kit.strict_json import parse_json
from deskwire.web.api.shapes import QueryParams, RequestBody
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Dependencies, request_context, require_person
from deskwire.web.http.problems import json_pointer
from deskwire.web.http.uploads import stream_body
from deskwire.web.pages.request_list import active_organization_id
from deskwire.workspaces.actor import Actor

JSON_MEDIA_TYPE = "application/json"
MAX_ERRORS = 20  # told at once; a body of a megabyte could have a hundred thousand
MAX_ERRORS_IN_DETAIL = 3  # of them in the sentence
ERROR_MESSAGES = {
    "missing": "Say this.",
    "extra_forbidden": "There is no such field here.",
    "model_type": "Send an object.",
}

P = ParamSpec("P")
T = TypeVar("T")
OperationFunction = Callable[..., Awaitable[BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation; `headers` go out with its answer."""

    request: Request
    deps: Dependencies
    headers: dict[str, str] = field(default_factory=lambda: {"cache-control": "no-store"})

    @property
    def person_id(self) -> PersonId:
        return require_person(self.request).id

    @property
    def active_organization_id(self) -> str | None:
        """The id of the organization this session is in, as far as it has chosen one."""
        return active_organization_id(self.request)

    @property
    def cursor(self) -> str:
        """The place of the log before anything was read."""
        return request_context(self.request).cursor or ""

    def path_id(self, name: str) -> str:
        """An id in the path. NotFound for what can be none."""
        found = str(self.request.path_params[name])
        if not is_id(found):
            raise NotFound("There is nothing at this address, or it is not shared with you.")
        return found

    async def read(
        self,
        query: Callable[Concatenate[Connection, Viewer, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read with all the viewer may see at this moment."""
        return (await read_as(self.deps, self.request, query, *args, **kwargs))[1]

    async def write(
        self,
        action: Callable[Concatenate[Connection, Actor, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an action with all the viewer may do at this moment."""
        return await act_as(self.deps, self.request, action, *args, **kwargs)


class Operation:
    """An endpoint of the API. `status`: of an answer with a body. `takes_file`: any body is read
    by `act` itself, as a file."""

    def __init__(
        self,
        deps: Dependencies,
        function: OperationFunction,
        status: int = 200,
        *,
        takes_file: bool = False,
    ) -> None:
        hints = get_type_hints(function)
        self.function, self.deps = function, deps
        self.takes_file = takes_file
        self.query_model: type[QueryParams] | None = hints.get("query")
        self.body_model: type[RequestBody] | None = hints.get("body")
        shown = hints["return"]
        self.response_model: type[BaseModel] | None = None if shown is type(None) else shown
        self.status = status if self.response_model is not None else 204

    async def __call__(self, request: Request) -> Response:
        """Answer one request. Raises Invalid, or what `act` raises."""
        parts: dict[str, BaseModel] = {}
        asked = parse_query(self.query_model or QueryParams, request)
        if self.query_model is not None:
            parts["query"] = asked
        if self.body_model is not None:
            parts["body"] = await read_body(self.body_model, request)
        call = Call(request, self.deps)
        shown = await self.function(call, **parts)
        if shown is None:
            return Response(status_code=204, headers=call.headers)
        return JSONResponse(shown.model_dump(mode="json", by_alias=True), self.status, call.headers)


def parse_query(model: type[QueryParams], request: Request) -> QueryParams:
    """The parameters of an address. Invalid for one that is unknown, unfit, or there twice."""
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise Invalid("Say it once.", {f"?{name[:60]}": "Say it once."})
        fields[name] = value
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _validation_refusal(error, lambda *path: f"?{path[0]}") from None


async def read_body(model: type[RequestBody], request: Request) -> RequestBody:
    """The body. Raises what becomes 415 where it is not called JSON, 400 where it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_MEDIA_TYPE:
        raise HTTPException(415, f"Send this as {JSON_MEDIA_TYPE}.")
    body = b"".join([chunk async for chunk in stream_body(request)])
    try:
        value = parse_json(body)
    except Invalid as reason:
        raise HTTPException(400, f"The body is not JSON: {reason}") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _validation_refusal(error, json_pointer) from None


def _validation_refusal(error: ValidationError, field_name: Callable[..., str]) -> Invalid:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    fields = {field_name(*each["loc"])[:200]: _error_message(each) for each in found[:MAX_ERRORS]}
    told = [f"{place.lstrip('#/?') or 'body'}: {said}" for place, said in fields.items()]
    return Invalid(" ".join(told[:MAX_ERRORS_IN_DETAIL]), fields)


def _error_message(error: Mapping[str, Any]) -> str:
    return ERROR_MESSAGES.get(error["type"]) or f"{error['msg'].rstrip('.')}."
