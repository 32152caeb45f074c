"""The document of the API as JSON, and as a page of ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskwire.web.api.openapi import ID, SCHEMAS, Endpoints, Json, describe
from deskwire.web.auth.sessions import cookie_of
from deskwire.web.dependencies import Site
from deskwire.web.http.problems import PROBLEMS
from deskwire.web.rendering.render import Render

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a shape, or a parameter of an address."""

    name: str
    type: str
    mark: str  # `optional`, or where a parameter stands
    about: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One operation, as the page shows it."""

    id: str
    method: str
    path: str
    title: str
    about: str
    parameters: list[Field]
    takes: str  # the name of a shape, or a media type; nothing where there is no body
    status: str
    gives: str


class Reference:
    """`/api/openapi.json` and `/api/docs`, of the addresses in `table`."""

    def __init__(self, site: Site, render: Render, table: Sequence[tuple[str, Endpoints]]) -> None:
        self._site = site
        self._render = render
        self._table = table

    @cached_property
    def document(self) -> Json:
        url = self._site.public_url
        cookie = cookie_of(secure=url.startswith("https://"))
        return describe(self._table, self._site.version, url, cookie)

    async def json(self, _request: Request) -> Response:
        """GET /api/openapi.json."""
        return JSONResponse(self.document)

    async def page(self, request: Request) -> Response:
        """GET /api/docs."""
        context = {
            "about": self.document["info"]["description"],
            "groups": groups_of(self.document),
            "shapes": shapes_of(self.document),
            "problems": PROBLEMS,
        }
        return self._render(request, "api.html", context)


def groups_of(document: Json) -> dict[str, list[Shown]]:
    """The operations of a document by their tag."""
    found: dict[str, list[Shown]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                shown = _shown(path, method, item[method], item.get("parameters", []))
                found.setdefault(item[method]["tags"][0], []).append(shown)
    return found


def shapes_of(document: Json) -> dict[str, tuple[str, list[Field]]]:
    """The shapes of a document: what each is, and its fields."""
    schemas = document["components"]["schemas"]
    return {name: (_about(schema), [*_fields(schema)]) for name, schema in sorted(schemas.items())}


def type_of(schema: Json) -> str:
    """What a value is, in words: `string`, `list of Named`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(SCHEMAS)
    if "anyOf" in schema:
        return " or ".join(map(type_of, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("pattern") == ID["pattern"]:
        return "id"
    if schema.get("type") == "array":
        return f"list of {type_of(schema['items'])}"
    if schema.get("type") == "object":
        return f"{type_of(schema['additionalProperties'])} by name"
    return {"date-time": "time"}.get(schema.get("format", ""), str(schema.get("type", "anything")))


def _shown(path: str, method: str, said: Json, parameters: list[Json]) -> Shown:
    status, done = next(iter(said["responses"].items()))
    body = said.get("requestBody", {}).get("content", {})
    return Shown(
        said["operationId"],
        method.upper(),
        path,
        said["summary"],
        said.get("description", ""),
        [*_parameters([*parameters, *said.get("parameters", [])])],
        _content(body),
        status,
        _content(done.get("content", {})),
    )


def _parameters(said: Iterable[Json]) -> Iterator[Field]:
    for each in said:
        place = "" if each["in"] == "query" else f"in the {each['in']}"
        yield Field(each["name"], type_of(each["schema"]), place, _about(each))


def _fields(schema: Json) -> Iterator[Field]:
    for name, each in schema.get("properties", {}).items():
        mark = "" if name in schema.get("required", ()) else "optional"
        yield Field(name, type_of(each), mark, _about(each))


def _content(content: dict[str, Any]) -> str:
    kinds = [
        type_of(each["schema"]) if "$ref" in each["schema"] else kind
        for kind, each in content.items()
    ]
    return " or ".join(kinds)


def _about(schema: Json) -> str:
    return str(schema.get("description", ""))
