"""Test the OpenAPI document: responses match it for any request, and the page shows all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.api_keys import key_client, make_key
from tests.fixtures.cast import BO, HARBOUR_GUILD, MO
from tests.fixtures.site import SIGNED_IN_HEADER, open_browser

pytestmark = pytest.mark.database("sqlite")

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
EXAMPLES = settings(  # a few of each operation, always the same ones
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


def test_every_response_matches_the_document(api: ApiFixture) -> None:
    api.site.desk.open_ticket(1, "The crane is stuck")
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", api.site.app)
    operations: Iterator[Any] = schema.get_all_operations()

    answered: set[int] = set()
    for operation in (found.ok() for found in operations):
        if operation.path.endswith("/events") or operation.path.startswith("/api/companies"):
            continue  # streams do not end; companies answer as organizations do
        for mode in GenerationMode:
            parts = api.create_path_values()
            known = (
                parts
                | api.create_files(parts["request"])
                | {"assignee": api.person_id(MO), "requester": api.person_id(BO)}
                | {"guild": HARBOUR_GUILD, "number": "1"}
            )
            answered |= ask(operation, mode, known | {"subject": "A buoy"})

    assert {200, 201, 204, 403, 404, 409, 422} <= answered


def test_the_document_is_public(api: ApiFixture) -> None:
    document = api.client().get("/api/openapi.json").json()
    page = open_browser(api.site).get("/api/docs").text

    assert document["openapi"] == "3.1.0"
    for path, item in document["paths"].items():
        assert path in page
        ids = {item[method]["operationId"] for method in item if method != "parameters"}
        assert all(f'id="{each}"' in page for each in ids), path
    targets = set(re.findall(r'href="#([^"]+)"', page)) - {"main"}
    assert targets <= set(re.findall(r' id="([^"]+)"', page))
    assert "<script>" not in page


def test_both_ways_to_sign_in_are_documented_with_the_scope_of_each_operation(
    api: ApiFixture,
) -> None:
    document = api.client().get("/api/openapi.json").json()
    schemes, paths = document["components"]["securitySchemes"], document["paths"]

    assert (schemes["session"]["in"], schemes["key"]["scheme"]) == ("cookie", "bearer")
    for path, item in paths.items():
        for method in item.keys() - {"parameters"}:
            operation = item[method]
            scope = "read" if method == "get" else "write"
            expected = [{"session": []}, {"key": [scope]}]
            if path.endswith("/events"):
                expected = [{"session": []}, {"key": ["stream"]}]
            elif path == "/api/key":
                expected = [{"key": ["read"]}]
            elif operation["security"] == [{"session": []}]:
                continue  # which those are: test_api_key_permissions.py
            assert operation["security"] == expected, f"{method} {path}"


def test_a_key_is_refused_what_the_document_leaves_to_people(api: ApiFixture) -> None:
    program = key_client(api, make_key(api, "organization").token)

    assert program.get("/api/me").status_code == 403
    assert program.post("/api/me/verification").status_code in (403, 404)
    assert api.client(BO).get("/api/key").status_code == 404


def test_posts_and_patches_take_an_idempotency_key(api: ApiFixture) -> None:
    document = api.client().get("/api/openapi.json").json()
    taking = {
        (path, method)
        for path, item in document["paths"].items()
        for method in item.keys() - {"parameters"}
        for each in item[method].get("parameters", [])
        if each["name"] == "Idempotency-Key"
    }

    assert taking == {
        (path, method)
        for path, item in document["paths"].items()
        for method in item
        if method in ("post", "patch")
    }
    description = document["info"]["description"]
    for word in ("600 calls a minute", "Idempotency-Key", "RateLimit", "RFC 9457"):
        assert word in description


def test_input_schemas_are_closed_and_output_schemas_open(api: ApiFixture) -> None:
    schemas = api.client().get("/api/openapi.json").json()["components"]["schemas"]

    assert schemas["NewRequest"]["additionalProperties"] is False
    assert schemas["RequestChange"]["minProperties"] == 1
    assert all("default" not in each for each in schemas["RequestChange"]["properties"].values())
    assert "additionalProperties" not in schemas["RequestInFull"]
    assert set(schemas["RequestNow"]["required"]) == set(schemas["RequestNow"]["properties"])


def ask(operation: Any, mode: GenerationMode, known: dict[str, str]) -> set[int]:
    """Ask an operation what its document allows, or does not, as two people; the statuses it
    answered. What is `known` stands for made-up ids, or nothing would ever be found."""
    answered = set()

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        case.path_parameters = {name: known[name] for name in case.path_parameters}
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            case.body |= {name: known[name] for name in case.body if name in known}
        for actor in (MO, BO):
            response = case.call(headers={SIGNED_IN_HEADER: actor.email})
            case.validate_response(response, checks=CHECKS)
            answered.add(response.status_code)

    attempt()
    return answered
