"""Define the base models of the API: camelCase JSON as in events, times as RFC 3339 in UTC.

Queries and request bodies are strict: an unknown field is refused. Responses may gain fields.
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
    """The query parameters of an operation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def chosen_id(self) -> str | None:
        """The id that the caller chose for what is created; it takes effect once by that."""
        return None


class RequestBody(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    @property
    def chosen_id(self) -> str | None:
        """The id that the caller chose for what is created; it takes effect once by that."""
        return None


def _relax_patch_schema(schema: dict[str, Any]) -> None:
    schema["minProperties"] = 1
    for field in schema["properties"].values():
        field.pop("default", None)


class PatchBody(RequestBody):
    """The body of a PATCH: a missing field leaves its value unchanged."""

    model_config = ConfigDict(json_schema_extra=_relax_patch_schema)


class ResponseBody(BaseModel):
    """The body of a response."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class ListResponse(ResponseBody):
    """A list of items."""

    cursor: str = Field(description="Where a stream continues from this state (`?after=`).")


class PageResponse(ListResponse):
    """A page of items."""

    next: str | None = Field(description="`after` of the next page; null on the last page.")


class PageQuery(QueryParams):
    """Selects a page."""

    after: str = Field(default="", description="`next` from the previous page.")


class FaultNow(ResponseBody):
    """An error in one field or parameter."""

    pointer: str | None = Field(
        default=None, description="JSON pointer to the field in the body (RFC 6901)."
    )
    parameter: str | None = Field(default=None, description="Name of the query parameter.")
    detail: str


class ProblemNow(ResponseBody):
    """A problem document (RFC 9457)."""

    type: str = Field(description="URL that describes the problem.")
    title: str
    status: int
    code: ProblemCode = Field(description="Kind of problem, for programs.")
    detail: str = Field(description="Explanation of this problem, for people.")
    errors: list[FaultNow] = Field(default=[], description="With `invalid`: what is wrong.")
    href: str | None = Field(
        default=None,
        description="With `no-active-organization`: the page that creates an organization.",
    )
    reference: str | None = Field(default=None, description="With `broken`: find this in the log.")
