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
from deskwire.web.api.shapes import Given, Query
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Site, person_of, visit_of
from deskwire.web.http.problems import pointer
from deskwire.web.http.uploads import arriving
from deskwire.web.pages.request_list import active_of
from deskwire.workspaces.actor import Deed

JSON = "application/json"
MAX_ERRORS = 20  # told at once; a body of a megabyte could have a hundred thousand
TOLD = 3  # of them in the sentence
SAID = {
    "missing": "Say this.",
    "extra_forbidden": "There is no such field here.",
    "model_type": "Send an object.",
}

P = ParamSpec("P")
T = TypeVar("T")
Act = Callable[..., Awaitable[BaseModel | None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation; `headers` go out with its answer."""

    request: Request
    site: Site
    headers: dict[str, str] = field(default_factory=lambda: {"cache-control": "no-store"})

    @property
    def person(self) -> PersonId:
        return person_of(self.request).id

    @property
    def active(self) -> str | None:
        """The id of the organization this session is in, as far as it has chosen one."""
        return active_of(self.request)

    @property
    def cursor(self) -> str:
        """The place of the log before anything was read."""
        return visit_of(self.request).cursor or ""

    def id(self, name: str) -> str:
        """An id in the path. NotFound for what can be none."""
        found = str(self.request.path_params[name])
        if not is_id(found):
            raise NotFound("There is nothing at this address, or it is not shared with you.")
        return found

    async def read(
        self,
        work: Callable[Concatenate[Connection, Viewer, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Read with all the viewer may see at this moment."""
        return (await read_as(self.site, self.request, work, *args, **kwargs))[1]

    async def write(
        self,
        act: Callable[Concatenate[Connection, Deed, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run an action with all the viewer may do at this moment."""
        return await act_as(self.site, self.request, act, *args, **kwargs)


class Operation:
    """An endpoint of the API. `status`: of an answer with a body. `takes_file`: any body is read
    by `act` itself, as a file."""

    def __init__(
        self, site: Site, act: Act, status: int = 200, *, takes_file: bool = False
    ) -> None:
        hints = get_type_hints(act)
        self.act, self.site = act, site
        self.takes_file = takes_file
        self.query: type[Query] | None = hints.get("query")
        self.given: type[Given] | None = hints.get("given")
        shown = hints["return"]
        self.shown: type[BaseModel] | None = None if shown is type(None) else shown
        self.status = status if self.shown is not None else 204

    async def __call__(self, request: Request) -> Response:
        """Answer one request. Raises Invalid, or what `act` raises."""
        parts: dict[str, BaseModel] = {}
        asked = parse_query(self.query or Query, request)
        if self.query is not None:
            parts["query"] = asked
        if self.given is not None:
            parts["given"] = await read_given(self.given, request)
        call = Call(request, self.site)
        shown = await self.act(call, **parts)
        if shown is None:
            return Response(status_code=204, headers=call.headers)
        return JSONResponse(shown.model_dump(mode="json", by_alias=True), self.status, call.headers)


def parse_query(model: type[Query], request: Request) -> Query:
    """The parameters of an address. Invalid for one that is unknown, unfit, or there twice."""
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise Invalid("Say it once.", {f"?{name[:60]}": "Say it once."})
        fields[name] = value
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _unfit(error, lambda *path: f"?{path[0]}") from None


async def read_given(model: type[Given], request: Request) -> Given:
    """The body. Raises what becomes 415 where it is not called JSON, 400 where it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise HTTPException(415, f"Send this as {JSON}.")
    body = b"".join([chunk async for chunk in arriving(request)])
    try:
        value = parse_json(body)
    except Invalid as reason:
        raise HTTPException(400, f"The body is not JSON: {reason}") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _unfit(error, pointer) from None


def _unfit(error: ValidationError, name: Callable[..., str]) -> Invalid:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    fields = {name(*each["loc"])[:200]: _sentence(each) for each in found[:MAX_ERRORS]}
    told = [f"{place.lstrip('#/?') or 'body'}: {said}" for place, said in fields.items()]
    return Invalid(" ".join(told[:TOLD]), fields)


def _sentence(error: Mapping[str, Any]) -> str:
    return SAID.get(error["type"]) or f"{error['msg'].rstrip('.')}."
