"""Small words on pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deskwire.web.http.errors import STATUSES, TITLES
from deskwire.web.rendering.render import EMPTY, block_of, person_initials, utc
from deskwire.workspaces.names import initials

# The client store's tests read the same table.
INITIALS: dict[str, str] = json.loads((Path(__file__).parent.parent / "initials.json").read_text())


@pytest.mark.parametrize(("name", "letters"), INITIALS.items())
def test_initials_are_those_the_client_store_writes(name: str, letters: str) -> None:
    assert initials(name) == person_initials(name) == letters


def test_a_time_reads_the_same_for_everybody() -> None:
    assert utc(1_795_348_800_000) == "22 Nov 2026, 12:00 UTC"


def test_an_empty_state_is_empty_wherever_it_is_asked() -> None:
    assert (str(EMPTY.assignee.name), list(EMPTY.tags), bool(EMPTY)) == ("", [], False)
    assert (utc(EMPTY), person_initials(EMPTY)) == ("", "")


def test_an_element_and_its_block_have_one_name() -> None:
    assert block_of("ticket-list") == "live_ticket_list"


def test_every_refusal_has_words_for_people() -> None:
    assert set(STATUSES.values()) <= set(TITLES)
