"""Test the small text helpers of pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deskwire.web.errors import STATUS_BY_REFUSAL, TITLE_BY_STATUS
from deskwire.web.rendering.render import EMPTY_STATE, block_name, initials_or_empty, utc_text
from deskwire.workspaces.names import initials

# The client store's tests read the same table.
INITIALS: dict[str, str] = json.loads((Path(__file__).parent.parent / "initials.json").read_text())


@pytest.mark.parametrize(("name", "letters"), INITIALS.items())
def test_initials_equal_those_the_frontend_writes(name: str, letters: str) -> None:
    assert initials(name) == initials_or_empty(name) == letters


def test_utc_text_is_independent_of_the_reader() -> None:
    assert utc_text(1_795_348_800_000) == "22 Nov 2026, 12:00 UTC"


def test_every_attribute_of_the_empty_state_is_empty() -> None:
    assert (str(EMPTY_STATE.assignee.name), list(EMPTY_STATE.tags), bool(EMPTY_STATE)) == (
        "",
        [],
        False,
    )
    assert (utc_text(EMPTY_STATE), initials_or_empty(EMPTY_STATE)) == ("", "")


def test_a_block_is_named_after_its_element() -> None:
    assert block_name("ticket-list") == "live_ticket_list"


def test_every_error_status_has_a_title() -> None:
    assert set(STATUS_BY_REFUSAL.values()) <= set(TITLE_BY_STATUS)
