"""Check that events keep their shape: fields are only ever added.

Record an intended change with

    UPDATE_SNAPSHOTS=1 make test ARGS=tests/contracts/test_event_shapes.py
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import pytest

from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE
from tests.contracts.recorded_events import RecordedEvent, record_events
from tests.contracts.source_files import REPOSITORY_ROOT

SNAPSHOTS = REPOSITORY_ROOT / "tests/contracts/snapshots"
COMMITTED = {path.stem: path for path in sorted(SNAPSHOTS.glob("*.json"))}


@cache
def recorded() -> dict[str, RecordedEvent]:
    found = record_events()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        for name, entry in found.items():
            text = json.dumps(entry, indent=2, ensure_ascii=False, sort_keys=True)
            (SNAPSHOTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    return found


def test_every_event_has_a_snapshot_and_every_snapshot_an_event() -> None:
    assert set(recorded()) == set(COMMITTED), (
        "tests/contracts/snapshots does not hold what tests/contracts/recorded_events.py records"
    )
    missing = set(EVENT_CLASS_BY_TYPE) - set(COMMITTED)
    assert not missing, f"add a step to tests/contracts/recorded_events.py for {', '.join(missing)}"


@pytest.mark.parametrize("name", COMMITTED)
def test_an_event_equals_its_snapshot(name: str) -> None:
    before = json.loads(COMMITTED[name].read_text(encoding="utf-8"))

    assert recorded()[name] == before, (
        f"{name} has changed. If that is meant, see the top of this file; if fields are gone, it "
        "is not: src/deskwire/events/types/registry.py may only grow"
    )


@pytest.mark.parametrize("name", COMMITTED)
def test_a_snapshot_fits_its_event_class(name: str) -> None:
    entry = json.loads(COMMITTED[name].read_text(encoding="utf-8"))
    kind = EVENT_CLASS_BY_TYPE[entry["type"]]

    event = kind.model_validate(entry["data"])

    assert json.loads(event.model_dump_json(by_alias=True, exclude_unset=True)) == entry["data"]
    undeclared = set(entry["data"]) - aliases(kind) - OF_THE_SENDER
    assert not undeclared, f"{name} has fields the catalog does not name: {undeclared}"


OF_THE_SENDER: set[str] = set()  # the samples hold nothing the catalog does not name


def aliases(kind: type[Any]) -> set[str]:
    return {field.alias or name for name, field in kind.model_fields.items()}
