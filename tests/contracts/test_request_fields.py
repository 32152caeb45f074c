"""Check that a field added to the table of request fields works everywhere (CONTRIBUTING.md).

tests/fixtures/severity_field.py adds one in a process of its own: a column and a row of FIELDS.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deskwire.tickets.request_fields import FIELDS
from deskwire.tickets.tables import tickets
from tests.contracts.source_files import REPOSITORY_ROOT


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    program = [sys.executable, "-m", "tests.fixtures.severity_field"]
    run = subprocess.run(
        [*program, str(tmp_path_factory.mktemp("severity"))],
        cwd=REPOSITORY_ROOT,
        env={"PYTHONPATH": f"{Path('src')}:."},
        capture_output=True,
        text=True,
        timeout=60,  # s; it takes two
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def test_every_field_has_a_column() -> None:
    assert {field.column for field in FIELDS.values()} <= set(tickets.columns.keys())


def test_a_new_field_is_in_the_form_of_the_page(report: dict[str, Any]) -> None:
    page = report["page"]

    assert page["options"] == ["severity", "Severity", [["minor", "Minor"], ["major", "Major"]]]
    assert page["column"] == "major"


def test_a_new_field_is_in_the_api(report: dict[str, Any]) -> None:
    assert report["api"] == {"column": "minor", "documented": True}


def test_a_change_of_a_new_field_is_recorded_with_a_sentence(report: dict[str, Any]) -> None:
    page = report["page"]

    assert page["fact"] == {"severity": "major"}
    assert page["sentence"] == page["activity"] == "set the severity to Major"


def test_an_invalid_value_is_refused_under_the_name_of_its_field(report: dict[str, Any]) -> None:
    assert report["refused"] == {
        "refusal": "'awful' is no severity.",
        "severity": "Choose one of: minor, major",
    }


def test_a_direct_edit_of_a_new_field_is_recorded_and_kept(report: dict[str, Any]) -> None:
    edit = report["direct edit"]

    assert edit["fact"] == {"severity": "major"}
    assert edit["sentence"] == edit["activity"] == "set the severity to Major"
    assert edit["column after another change"] == "major"
