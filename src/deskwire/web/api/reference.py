"""Serve the API document as JSON, and as a reference page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskwire.web.api.openapi import ID_SCHEMA, SCHEMAS, Endpoints, Json, build_document
from deskwire.web.auth.sessions import cookie_name
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.problems import PROBLEMS
from deskwire.web.rendering.render import Render

HTTP_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a schema, or a parameter of an operation."""

    name: str
    type: str
    qualifier: str  # `optional`, or where a parameter is: `in the path`
    description: str


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation as the page shows it."""

    id: str
    method: str
    path: str
    title: str
    description: str
    parameters: list[Field]
    body_type: str  # the name of a schema, or a media type; empty if there is no body
    status: str
    response_type: str


class ApiReference:
    """`/api/openapi.json` and `/api/docs`."""

    def __init__(
        self, deps: Dependencies, render: Render, endpoints_by_path: Sequence[tuple[str, Endpoints]]
    ) -> None:
        self._deps = deps
        self._render = render
        self._endpoints_by_path = endpoints_by_path

    @cached_property
    def document(self) -> Json:
        url = self._deps.public_url
        cookie = cookie_name(secure=url.startswith("https://"))
        return build_document(self._endpoints_by_path, self._deps.version, url, cookie)

    async def show_json(self, _request: Request) -> Response:
        """GET /api/openapi.json."""
        return JSONResponse(self.document)

    async def show_page(self, request: Request) -> Response:
        """GET /api/docs."""
        context = {
            "about": self.document["info"]["description"],
            "groups": group_operations(self.document),
            "shapes": describe_schemas(self.document),
            "problems": PROBLEMS,
        }
        return self._render(request, "api.html", context)


def group_operations(document: Json) -> dict[str, list[OperationView]]:
    """Group the operations of a document by their tag."""
    groups: dict[str, list[OperationView]] = {}
    for path, item in document["paths"].items():
        for method in HTTP_METHODS:
            if method in item:
                view = _to_operation_view(path, method, item[method], item.get("parameters", []))
                groups.setdefault(item[method]["tags"][0], []).append(view)
    return groups


def describe_schemas(document: Json) -> dict[str, tuple[str, list[Field]]]:
    """Return the description and the fields of each schema, by its name."""
    schemas = document["components"]["schemas"]
    return {
        name: (_description(schema), [*_schema_fields(schema)])
        for name, schema in sorted(schemas.items())
    }


def describe_type(schema: Json) -> str:
    """Describe the type of a schema, such as `string`, `list of Named` or `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(SCHEMAS)
    if "anyOf" in schema:
        return " or ".join(map(describe_type, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("pattern") == ID_SCHEMA["pattern"]:
        return "id"
    if schema.get("type") == "array":
        return f"list of {describe_type(schema['items'])}"
    if schema.get("type") == "object":
        return f"{describe_type(schema['additionalProperties'])} by name"
    return {"date-time": "time"}.get(schema.get("format", ""), str(schema.get("type", "anything")))


def _to_operation_view(
    path: str, method: str, operation: Json, parameters: list[Json]
) -> OperationView:
    status, success = next(iter(operation["responses"].items()))
    body = operation.get("requestBody", {}).get("content", {})
    return OperationView(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        operation.get("description", ""),
        [*_parameter_fields([*parameters, *operation.get("parameters", [])])],
        _content_type(body),
        status,
        _content_type(success.get("content", {})),
    )


def _parameter_fields(parameters: Iterable[Json]) -> Iterator[Field]:
    for each in parameters:
        qualifier = "" if each["in"] == "query" else f"in the {each['in']}"
        yield Field(each["name"], describe_type(each["schema"]), qualifier, _description(each))


def _schema_fields(schema: Json) -> Iterator[Field]:
    for name, each in schema.get("properties", {}).items():
        qualifier = "" if name in schema.get("required", ()) else "optional"
        yield Field(name, describe_type(each), qualifier, _description(each))


def _content_type(content: dict[str, Any]) -> str:
    types = [
        describe_type(each["schema"]) if "$ref" in each["schema"] else media_type
        for media_type, each in content.items()
    ]
    return " or ".join(types)


def _description(schema: Json) -> str:
    return str(schema.get("description", ""))
