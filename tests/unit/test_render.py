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
def test_initials_are_those_the_client_store_writes(name: str, letters: str) -> None:
    assert initials(name) == initials_or_empty(name) == letters


def test_a_time_reads_the_same_for_everyone() -> None:
    assert utc_text(1_795_348_800_000) == "22 Nov 2026, 12:00 UTC"


def test_an_empty_state_is_empty_wherever_it_is_asked() -> None:
    assert (str(EMPTY_STATE.assignee.name), list(EMPTY_STATE.tags), bool(EMPTY_STATE)) == (
        "",
        [],
        False,
    )
    assert (utc_text(EMPTY_STATE), initials_or_empty(EMPTY_STATE)) == ("", "")


def test_an_element_and_its_block_have_one_name() -> None:
    assert block_name("ticket-list") == "live_ticket_list"


def test_every_refusal_has_words_for_people() -> None:
    assert set(STATUS_BY_REFUSAL.values()) <= set(TITLE_BY_STATUS)
