"""Text that is compared, and text that is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.accounts.people import parse_name
from deskwire.kit.errors import Invalid
from deskwire.kit.text import folded, harmless

INVISIBLE = [
    "\u200b",
    "\u200b\u200d\u2060",
    "\u3164",
    "\u2800",
    "\ufeff",
    "\u00ad",
    "\u0301",
    "\u00ad \u200c",
]


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
def test_a_name_nobody_can_see_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        parse_name(name)


@pytest.mark.parametrize("name", ["Ada", "李", "👩\u200d🚒", "O’Brien", "नी", "א"])
def test_a_name_people_have_is_taken(name: str) -> None:
    assert parse_name(name) == name


@given(st.text())
def test_what_is_shown_has_no_power_over_a_terminal(text: str) -> None:
    shown = harmless(text)

    assert not any(
        sign < " " or "\x7f" <= sign < "\xa0" or "\u202a" <= sign <= "\u202e" for sign in shown
    )
    assert harmless(shown) == shown


def test_an_escape_sequence_is_written_out() -> None:
    assert harmless("a\x1b[2J\x9b2J\u202eb ü") == "a\\x1b[2J\\x9b2J\\u202eb ü"


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)
