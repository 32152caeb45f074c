"""Check that deleting an account reaches every personal column, and every event that names it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from deskwire.accounts.people import PERSONAL_COLUMNS, people
from deskwire.events.redaction import anonymize_person
from tests.contracts.source_files import REPOSITORY_ROOT

SNAPSHOTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((REPOSITORY_ROOT / "tests/contracts/snapshots").glob("*.json"))
}
# Columns of `people` that the row of a former member keeps or that anonymizing it sets.
KEPT_COLUMNS = {"id", "name", "revision", "created_at", "deleted_at", "deactivated_at"}
PEOPLE = ("Clara Client", "Tim Team")  # those who act in tests/contracts/recorded_portal_events.py


def test_every_column_of_people_is_cleared_or_listed_as_kept() -> None:
    assert set(people.c.keys()) == set(PERSONAL_COLUMNS) | KEPT_COLUMNS, (
        "decide whether deleting an account clears the new column: PERSONAL_COLUMNS in "
        "src/deskwire/accounts/people.py, or KEPT_COLUMNS here"
    )


@pytest.mark.parametrize("name", PEOPLE)
def test_no_event_names_the_owner_of_a_deleted_account(name: str) -> None:
    (person,) = {found for entry in SNAPSHOTS.values() for found in _find_ids(entry["data"], name)}
    naming = {
        key: json.dumps(entry["data"], ensure_ascii=False) for key, entry in SNAPSHOTS.items()
    }
    naming = {key: data for key, data in naming.items() if name in data}
    assert len(naming) > 5

    left = [
        key for key, data in naming.items() if name in (anonymize_person("", data, person) or name)
    ]

    assert not left, (
        f"{', '.join(left)}: NAME_FIELDS in src/deskwire/events/redaction.py lacks a field"
    )


def _find_ids(node: object, name: str) -> Iterator[str]:
    """Yield the ids of the objects that bear this name."""
    if isinstance(node, list):
        for each in node:
            yield from _find_ids(each, name)
    if isinstance(node, dict):
        if node.get("name") == name and isinstance(node.get("id"), str):
            yield node["id"]
        for each in node.values():
            yield from _find_ids(each, name)
