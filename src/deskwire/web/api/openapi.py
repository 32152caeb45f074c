"""The document of the API (OpenAPI 3.1), made of its operations and their shapes.

What it says of an address is read from the function that answers there. Nothing is said twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import getdoc
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from deskwire.kit.ids import UUID7
from deskwire.web.api.operations import JSON, Operation
from deskwire.web.api.shapes import ProblemNow
from deskwire.web.http.problems import KIND, PROBLEMS

Json = dict[str, Any]
Endpoints = Mapping[str, object]  # by method
Names = Mapping[Any, Json]  # how a model is referred to
SCHEMAS = "#/components/schemas/"
ABOUT = (
    "Everything is asked with the session of a signed-in browser. A request that changes something "
    "says where it comes from: `Origin` is this desk's address."
)
STREAMS = {
    "/api/events": "Hear everything you may hear.",
    "/api/guilds/events": "Hear what happens in your servers.",
    "/api/requests/events": "Hear what happens in your organizations.",
}
ALWAYS = (401, 403, 404, 422)
IN_BODIES = (400, 413, 415)
TAGS = {"requests": "Requests", "organizations": "Organizations", "companies": "Companies"}


def describe(
    table: Iterable[tuple[str, Endpoints]], version: str, server: str, cookie: str
) -> Json:
    """The document of the addresses in `table`. `cookie`: the name of the session's."""
    rows = [*table]
    names, schemas = _schemas_of(each for _, methods in rows for each in methods.values())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deskwire", "version": version, "description": ABOUT},
        "servers": [{"url": server or "/"}],
        "security": [{"session": []}],
        "paths": {path: _path(path, methods, names) for path, methods in rows},
        "components": {
            "schemas": schemas,
            "responses": {f"Problem{status}": _problem(status) for status in _statuses()},
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": cookie}},
        },
    }


def _schemas_of(endpoints: Iterable[object]) -> tuple[Names, Json]:
    """Every shape that is used: how it is referred to, and all their schemas by name."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemNow, "validation"): None}
    for each in endpoints:
        if isinstance(each, Operation):
            if each.given is not None:
                wanted[each.given, "validation"] = None
            if each.shown is not None:
                wanted[each.shown, "serialization"] = None
    found, whole = models_json_schema(list(wanted), ref_template=SCHEMAS + "{model}")
    shown = {model.__name__ for model, mode in wanted if mode == "serialization"}
    for name, schema in whole["$defs"].items():
        if name in shown or name in ("Attached", "Named", "Who"):
            schema.pop("additionalProperties", None)  # answers may gain fields
    return {model: ref for (model, _), ref in found.items()}, whole["$defs"]


def _path(path: str, methods: Endpoints, names: Names) -> Json:
    if path in STREAMS:
        return {"get": _stream(path)}
    found: Json = {"parameters": _path_parameters(path)} if "{" in path else {}
    for method, endpoint in methods.items():
        if isinstance(endpoint, Operation):
            found[method.lower()] = _operation(path, method, endpoint, names)
    return found


def _operation(path: str, method: str, operation: Operation, names: Names) -> Json:
    title, _, more = (getdoc(operation.act) or "").partition("\n\n")
    place = path.split("/")[2]
    module = operation.act.__module__.rpartition(".")[2]
    group = place if place == "companies" else module
    said: Json = {
        "operationId": f"{group}_{operation.act.__name__}",
        "tags": [TAGS.get(place, "Oneself")],
        "summary": title.rstrip("."),
        "responses": _responses(method, operation, names),
    }
    if more:
        said["description"] = more.replace("\n", " ")
    if operation.query is not None:
        said["parameters"] = _query_parameters(operation.query)
    if operation.given is not None:
        said["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": names[operation.given]}},
        }
    if operation.takes_file:
        said["requestBody"] = _FILE
        said.setdefault("parameters", []).append(_FILE_NAME)
    return said


def _responses(method: str, operation: Operation, names: Names) -> Json:
    done: Json = {"description": "Done."}
    if operation.shown is not None:
        done["content"] = {JSON: {"schema": names[operation.shown]}}
    statuses = {*ALWAYS, *(IN_BODIES if operation.given or operation.takes_file else ())}
    if method != "GET":
        statuses.add(409)
    refused = {str(s): {"$ref": f"#/components/responses/Problem{s}"} for s in sorted(statuses)}
    return {str(operation.status): done, **refused, "default": _OTHER}


def _statuses() -> set[int]:
    return {*ALWAYS, *IN_BODIES, 409}


def _problem(status: int) -> Json:
    told = [f"`{code}`: {each.means}" for code, each in PROBLEMS.items() if each.status == status]
    return {"description": " ".join(told), "content": _PROBLEM}


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"} if name == "slug" else ID,
            **({"description": "its slug or id"} if name == "slug" else {}),
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(model: type[BaseModel]) -> list[Json]:
    found = []
    for name, schema in model.model_json_schema()["properties"].items():
        told = {"description": schema.pop("description")} if "description" in schema else {}
        found.append({"name": name, "in": "query", **told, "schema": _without_null(schema)})
    return found


def _without_null(schema: Json) -> Json:
    """In an address nothing is null; it is left out."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "default")}
    kinds = [each for each in kept.pop("anyOf", []) if each != {"type": "null"}]
    return {**kept, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {})}


def _stream(path: str) -> Json:
    said = {
        "operationId": "stream_" + "_".join(path.split("/")[2:-1] or ["all"]),
        "tags": ["Streams"],
        "summary": STREAMS[path].rstrip("."),
        "description": "Server-sent events; docs/events.md lists them.",
        "parameters": [
            {
                "name": "after",
                "in": "query",
                "description": "the cursor to go on from; `Last-Event-ID` wins",
                "schema": {"type": "string"},
            }
        ],
    }
    frames = {
        "description": "Frames.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return {**said, "responses": {"200": frames, "default": _OTHER}}


_PROBLEM: Json = {KIND: {"schema": {"$ref": f"{SCHEMAS}{ProblemNow.__name__}"}}}
_OTHER: Json = {"description": "Any other problem.", "content": _PROBLEM}
ID: Json = {"type": "string", "pattern": f"^{UUID7}$"}
_BYTES: Json = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "required": ["file"], "properties": {"file": _BYTES}}
_FILE: Json = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": _FORM},
        "application/octet-stream": {"schema": _BYTES},
    },
}
_FILE_NAME: Json = {
    "name": "x-file-name",
    "in": "header",
    "description": "what the file is called, percent-encoded; where the body is its bytes",
    "schema": {"type": "string"},
}
