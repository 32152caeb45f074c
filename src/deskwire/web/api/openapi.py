"""Generate the OpenAPI 3.1 document from the operations and their models.

Summaries and descriptions are the docstrings of the functions and models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import getdoc
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from deskwire.accounts.api_keys import Scope
from deskwire.kit.ids import UUID7_PATTERN
from deskwire.web.api.idempotency import KEY_PATTERN, KEYED_METHODS
from deskwire.web.api.operations import JSON_MEDIA_TYPE, Callers, Operation
from deskwire.web.api.shapes import ProblemNow
from deskwire.web.http.problems import PROBLEM_MEDIA_TYPE, PROBLEMS
from deskwire.web.key_authentication import required_scope

Json = dict[str, Any]
Endpoints = Mapping[str, object]  # by HTTP method
SchemaRefs = Mapping[Any, Json]  # the `$ref` of each model
SCHEMAS = "#/components/schemas/"
API_DESCRIPTION = (
    "Programs send an API key as `Authorization: Bearer dw_…`, pages of this desk their session "
    "cookie; a change made with a cookie must also have an `Origin` header with the address of "
    "this desk. A key has the scopes `read`, `write` and `stream`, or some of them, and sees what "
    "its role may see. It may make 600 calls a minute; each response says in `RateLimit` how many "
    "are left, and one call too many is answered with 429 and `Retry-After`, which costs nothing. "
    "A POST or PATCH that is repeated with the same `Idempotency-Key` takes effect once, for 24 "
    "hours. Errors are problem documents (RFC 9457), told apart by their `code`."
)
KEY_DESCRIPTION = "An API key. Each operation names the scope it needs: read, write or stream."
STREAM_SUMMARIES = {
    "/api/events": "Stream all events you may see.",
    "/api/guilds/events": "Stream the events of your Discord servers.",
    "/api/requests/events": "Stream the events of your organizations.",
}
COMMON_STATUSES = (401, 403, 404, 422, 429)
BODY_STATUSES = (400, 413, 415)
TAG_BY_RESOURCE = {
    "requests": "Requests",
    "organizations": "Organizations",
    "companies": "Companies",
    "guilds": "Discord servers",
}


def build_document(
    endpoints_by_path: Iterable[tuple[str, Endpoints]], version: str, server: str, cookie_name: str
) -> Json:
    """Build the document of these endpoints; `server` is the public URL, or empty."""
    rows = [*endpoints_by_path]
    refs, schemas = _collect_schemas(each for _, methods in rows for each in methods.values())
    return {
        "openapi": "3.1.0",
        "info": {"title": "Deskwire", "version": version, "description": API_DESCRIPTION},
        "servers": [{"url": server or "/"}],
        "security": [{"session": []}, {"key": []}],
        "paths": {path: _path_item(path, methods, refs) for path, methods in rows},
        "components": {
            "schemas": schemas,
            "responses": {
                f"Problem{status}": _problem_response(status) for status in _problem_statuses()
            },
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie_name},
                "key": {"type": "http", "scheme": "bearer", "description": KEY_DESCRIPTION},
            },
        },
    }


def _collect_schemas(endpoints: Iterable[object]) -> tuple[SchemaRefs, Json]:
    """Return the `$ref` of every model in use, and all their schemas by name."""
    models: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(ProblemNow, "validation"): None}
    for each in endpoints:
        if isinstance(each, Operation):
            if each.body_model is not None:
                models[each.body_model, "validation"] = None
            if each.response_model is not None:
                models[each.response_model, "serialization"] = None
    refs, document = models_json_schema(list(models), ref_template=SCHEMAS + "{model}")
    response_names = {model.__name__ for model, mode in models if mode == "serialization"}
    for name, schema in document["$defs"].items():
        if name in response_names or name in ("Attached", "Named", "Who"):
            schema.pop("additionalProperties", None)  # responses may gain fields
    return {model: ref for (model, _), ref in refs.items()}, document["$defs"]


def _path_item(path: str, methods: Endpoints, refs: SchemaRefs) -> Json:
    if path in STREAM_SUMMARIES:
        return {"get": _stream_path(path)}
    item: Json = {"parameters": _path_parameters(path)} if "{" in path else {}
    for method, endpoint in methods.items():
        if isinstance(endpoint, Operation):
            item[method.lower()] = _operation(path, method, endpoint, refs)
    return item


def _operation(path: str, method: str, operation: Operation, refs: SchemaRefs) -> Json:
    summary, _, description = (getdoc(operation.function) or "").partition("\n\n")
    item: Json = {
        "operationId": operation.operation_id,
        "tags": [TAG_BY_RESOURCE.get(path.split("/")[2], "Your account")],
        "summary": summary.rstrip("."),
        "responses": _responses(method, operation, refs),
        "security": _security(operation.callers, required_scope(method)),
    }
    if description:
        item["description"] = description.replace("\n", " ")
    if operation.query_model is not None:
        item["parameters"] = _query_parameters(operation.query_model)
    if method in KEYED_METHODS:
        item.setdefault("parameters", []).append(_KEY_HEADER)
    if operation.body_model is not None:
        item["requestBody"] = {
            "required": True,
            "content": {JSON_MEDIA_TYPE: {"schema": refs[operation.body_model]}},
        }
    if operation.takes_file:
        item["requestBody"] = _FILE_BODY
        item.setdefault("parameters", []).append(_FILE_NAME_HEADER)
    return item


def _security(callers: Callers, scope: Scope) -> list[Json]:
    """Return who may call an operation; OpenAPI 3.1 lists scopes of any scheme."""
    schemes: list[Json] = []
    if callers != "keys":
        schemes.append({"session": []})
    if callers != "people":
        schemes.append({"key": [scope]})
    return schemes


def _responses(method: str, operation: Operation, refs: SchemaRefs) -> Json:
    success: Json = {"description": "Success."}
    if operation.response_model is not None:
        success["content"] = {JSON_MEDIA_TYPE: {"schema": refs[operation.response_model]}}
    if method in KEYED_METHODS:
        success["headers"] = _REPLAYED_HEADER
    statuses = {
        *COMMON_STATUSES,
        *(BODY_STATUSES if operation.body_model or operation.takes_file else ()),
    }
    if method != "GET":
        statuses.add(409)
    problems = {str(s): {"$ref": f"#/components/responses/Problem{s}"} for s in sorted(statuses)}
    return {str(operation.status): success, **problems, "default": _DEFAULT_RESPONSE}


def _problem_statuses() -> set[int]:
    return {*COMMON_STATUSES, *BODY_STATUSES, 409}


def _problem_response(status: int) -> Json:
    titles = [f"`{code}`: {each.title}" for code, each in PROBLEMS.items() if each.status == status]
    return {"description": " ".join(titles), "content": _PROBLEM_CONTENT}


def _path_parameters(path: str) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            **PATH_PARAMETERS.get(name, {"schema": ID_SCHEMA}),
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(model: type[BaseModel]) -> list[Json]:
    parameters = []
    for name, schema in model.model_json_schema()["properties"].items():
        description = {"description": schema.pop("description")} if "description" in schema else {}
        parameters.append(
            {"name": name, "in": "query", **description, "schema": _without_null(schema)}
        )
    return parameters


def _without_null(schema: Json) -> Json:
    """Remove null from a parameter's types: a query omits the parameter instead."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "default")}
    types = [each for each in rest.pop("anyOf", []) if each != {"type": "null"}]
    return {**rest, **(types[0] if len(types) == 1 else {"anyOf": types} if types else {})}


def _stream_path(path: str) -> Json:
    item = {
        "operationId": "stream_" + "_".join(path.split("/")[2:-1] or ["all"]),
        "tags": ["Streams"],
        "security": _security("all", "stream"),
        "summary": STREAM_SUMMARIES[path].rstrip("."),
        "description": "Server-sent events; docs/events.md lists them.",
        "parameters": [
            {
                "name": "after",
                "in": "query",
                "description": "Cursor to continue from; `Last-Event-ID` takes precedence.",
                "schema": {"type": "string"},
            }
        ],
    }
    frames = {
        "description": "The stream.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return {**item, "responses": {"200": frames, "default": _DEFAULT_RESPONSE}}


_PROBLEM_CONTENT: Json = {
    PROBLEM_MEDIA_TYPE: {"schema": {"$ref": f"{SCHEMAS}{ProblemNow.__name__}"}}
}
_DEFAULT_RESPONSE: Json = {"description": "Any other problem.", "content": _PROBLEM_CONTENT}
ID_SCHEMA: Json = {"type": "string", "pattern": f"^{UUID7_PATTERN}$"}
PATH_PARAMETERS: dict[str, Json] = {  # all others are ids
    "slug": {"schema": {"type": "string"}, "description": "Slug or id of the organization."},
    "guild": {"schema": {"type": "string"}, "description": "Id of the server at Discord."},
    "number": {"schema": {"type": "integer"}, "description": "Number of the ticket."},
}
_BINARY_SCHEMA: Json = {"type": "string", "format": "binary"}
_FILE_FORM_SCHEMA = {"type": "object", "required": ["file"], "properties": {"file": _BINARY_SCHEMA}}
_FILE_BODY: Json = {
    "required": True,
    "content": {
        "multipart/form-data": {"schema": _FILE_FORM_SCHEMA},
        "application/octet-stream": {"schema": _BINARY_SCHEMA},
    },
}
_KEY_HEADER: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "If the call is sent again with the same key, it takes effect once.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}
_REPLAYED_HEADER: Json = {
    "Idempotency-Replayed": {
        "description": "`true` if an earlier call with the same key took effect, not this one.",
        "schema": {"type": "string"},
    }
}
_FILE_NAME_HEADER: Json = {
    "name": "x-file-name",
    "in": "header",
    "description": "Percent-encoded name of the file, if the body is its bytes.",
    "schema": {"type": "string"},
}
