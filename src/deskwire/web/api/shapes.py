"""What goes in and out of the API, as JSON: camelCase as in events, times as RFC 3339 in UTC.

A `Query` is what an address says after its `?`, a `Given` a body, a `Shown` an answer. What comes
in is taken to the letter: a field that is not named here is refused. Answers may gain fields.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic import WithJsonSchema as Schema
from pydantic.alias_generators import to_camel

from deskwire.kit.clock import format_iso
from deskwire.kit.ids import UUID7_PATTERN
from deskwire.web.http.problems import ProblemCode
from deskwire.workspaces.organizations.slugs import SLUG_PATTERN

Id = Annotated[str, StringConstraints(pattern=f"^{UUID7_PATTERN}$")]
Slug = Annotated[str, StringConstraints(pattern=f"^{SLUG_PATTERN.pattern}$")]
Timestamp = Annotated[
    int,
    PlainSerializer(format_iso),
    Schema({"type": "string", "format": "date-time"}, "serialization"),
]


class QueryParams(BaseModel):
    """What an address says after its `?`."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RequestBody(BaseModel):
    """A body."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


def _relax_patch_schema(schema: dict[str, Any]) -> None:
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        field.pop("default", None)


class PatchBody(RequestBody):
    """A body of which every field may be left out, and then nothing changes there."""

    model_config = ConfigDict(json_schema_extra=_relax_patch_schema)


class ResponseBody(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class ListResponse(ResponseBody):
    """A list."""

    cursor: str = Field(description="where a stream goes on from this state (`?after=`)")


class PageResponse(ListResponse):
    """A part of a list."""

    next: str | None = Field(description="`after` of the next page; null: this is the last")


class PageQuery(QueryParams):
    """Which page."""

    after: str = Field(default="", description="`next` of the page before")


class FaultNow(ResponseBody):
    """What is wrong with one field."""

    pointer: str | None = Field(default=None, description="where in the body (RFC 6901)")
    parameter: str | None = Field(default=None, description="or which parameter of the address")
    detail: str


class ProblemNow(ResponseBody):
    """Why something was refused (RFC 9457)."""

    type: str = Field(description="where the problem is described")
    title: str
    status: int
    code: ProblemCode = Field(description="for programs")
    detail: str = Field(description="for people")
    errors: list[FaultNow] = Field(default=[], description="with `invalid`")
    href: str | None = Field(default=None, description="with `no-active-organization`")
    reference: str | None = Field(default=None, description="with `broken`")
