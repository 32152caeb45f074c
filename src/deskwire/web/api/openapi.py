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

from deskwire.kit.ids import UUID7_PATTERN
from deskwire.web.api.operations import JSON_MEDIA_TYPE, Operation
from deskwire.web.api.shapes import ProblemNow
from deskwire.web.http.problems import PROBLEM_MEDIA_TYPE, PROBLEMS

Json = dict[str, Any]
Endpoints = Mapping[str, object]  # by method
SchemaRefs = Mapping[Any, Json]  # how a model is referred to
SCHEMAS = "#/components/schemas/"
API_DESCRIPTION = (
    "Everything is asked with the session of a signed-in browser. A request that changes something "
    "says where it comes from: `Origin` is this desk's address."
)
STREAM_SUMMARIES = {
    "/api/events": "Hear everything you may hear.",
    "/api/guilds/events": "Hear what happens in your servers.",
    "/api/requests/events": "Hear what happens in your organizations.",
}
COMMON_STATUSES = (401, 403, 404, 422)
BODY_STATUSES = (400, 413, 415)
TAG_BY_RESOURCE = {
    "requests": "Requests",
    "organizations": "Organizations",
    "companies": "Companies",
}


def build_document(
    endpoints_by_path: Iterable[tuple[str, Endpoints]], version: str, server: str, cookie_name: str
) -> Json:
    """The document of the addresses in `table`. `cookie`: the name of the session's."""
    rows = [*endpoints_by_path]
    names, schemas = _collect_schemas(each for _, methods in rows for each in methods.values())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deskwire", "version": version, "description": API_DESCRIPTION},
        "servers": [{"url": server or "/"}],
        "security": [{"session": []}],
        "paths": {path: _path_item(path, methods, names) for path, methods in rows},
        "components": {
            "schemas": schemas,
            "responses": {
                f"Problem{status}": _problem_response(status) for status in _problem_statuses()
            },
            "securitySchemes": {"session": {"type": "apiKey", "in": "cookie", "name": cookie_name}},
        },
    }


def _collect_schemas(endpoints: Iterable[object]) -> tuple[SchemaRefs, Json]:
    """Every shape that is used: how it is referred to, and all their schemas by name."""
    wanted: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemNow, "validation"): None}
    for each in endpoints:
        if isinstance(each, Operation):
            if each.body_model is not None:
                wanted[each.body_model, "validation"] = None
            if each.response_model is not None:
                wanted[each.response_model, "serialization"] = None
    found, whole = models_json_schema(list(wanted), ref_template=SCHEMAS + "{model}")
    shown = {model.__name__ for model, mode in wanted if mode == "serialization"}
    for name, schema in whole["$defs"].items():
        if name in shown or name in ("Attached", "Named", "Who"):
            schema.pop("additionalProperties", None)  # answers may gain fields
    return {model: ref for (model, _), ref in found.items()}, whole["$defs"]


def _path_item(path: str, methods: Endpoints, refs: SchemaRefs) -> Json:
    if path in STREAM_SUMMARIES:
        return {"get": _stream_path(path)}
    found: Json = {"parameters": _path_parameters(path)} if "{" in path else {}
    for method, endpoint in methods.items():
        if isinstance(endpoint, Operation):
            found[method.lower()] = _operation(path, method, endpoint, refs)
    return found


def _operation(path: str, method: str, operation: Operation, refs: SchemaRefs) -> Json:
    title, _, more = (getdoc(operation.function) or "").partition("\n\n")
    place = path.split("/")[2]
    module = operation.function.__module__.rpartition(".")[2]
    group = place if place == "companies" else module
    said: Json = {
        "operationId": f"{group}_{operation.function.__name__}",
        "tags": [TAG_BY_RESOURCE.get(place, "Oneself")],
        "summary": title.rstrip("."),
        "responses": _responses(method, operation, refs),
    }
    if more:
        said["description"] = more.replace("\n", " ")
    if operation.query_model is not None:
        said["parameters"] = _query_parameters(operation.query_model)
    if operation.body_model is not None:
        said["requestBody"] = {
            "required": True,
            "content": {JSON_MEDIA_TYPE: {"schema": refs[operation.body_model]}},
        }
    if operation.takes_file:
        said["requestBody"] = _FILE_BODY
        said.setdefault("parameters", []).append(_FILE_NAME_HEADER)
    return said


def _responses(method: str, operation: Operation, refs: SchemaRefs) -> Json:
    done: Json = {"description": "Done."}
    if operation.response_model is not None:
        done["content"] = {JSON_MEDIA_TYPE: {"schema": refs[operation.response_model]}}
    statuses = {
        *COMMON_STATUSES,
        *(BODY_STATUSES if operation.body_model or operation.takes_file else ()),
    }
    if method != "GET":
        statuses.add(409)
    refused = {str(s): {"$ref": f"#/components/responses/Problem{s}"} for s in sorted(statuses)}
    return {str(operation.status): done, **refused, "default": _DEFAULT_RESPONSE}


def _problem_statuses() -> set[int]:
    return {*COMMON_STATUSES, *BODY_STATUSES, 409}


def _problem_response(status: int) -> Json:
    told = [f"`{code}`: {each.title}" for code, each in PROBLEMS.items() if each.status == status]
    return {"description": " ".join(told), "content": _PROBLEM_CONTENT}


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"} if name == "slug" else ID_SCHEMA,
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


def _stream_path(path: str) -> Json:
    said = {
        "operationId": "stream_" + "_".join(path.split("/")[2:-1] or ["all"]),
        "tags": ["Streams"],
        "summary": STREAM_SUMMARIES[path].rstrip("."),
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
    return {**said, "responses": {"200": frames, "default": _DEFAULT_RESPONSE}}


_PROBLEM_CONTENT: Json = {
    PROBLEM_MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}{ProblemNow.__name__}"}}
}
_DEFAULT_RESPONSE: Json = {"description": "Any other problem.", "content": _PROBLEM_CONTENT}
ID_SCHEMA: Json = {"type": "string", "pattern": f"^{UUID7_PATTERN}$"}
_BINARY_SCHEMA: Json = {"type": "string", "format": "binary"}
_FILE_FORM_SCHEMA = {"type": "object", "required": ["file"], "properties": {"file": _BINARY_SCHEMA}}
_FILE_BODY: Json = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": _FILE_FORM_SCHEMA},
        "application/octet-stream": {"schema": _BINARY_SCHEMA},
    },
}
_FILE_NAME_HEADER: Json = {
    "name": "x-file-name",
    "in": "header",
    "description": "what the file is called, percent-encoded; where the body is its bytes",
    "schema": {"type": "string"},
}
