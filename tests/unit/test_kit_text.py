"""Test the normalization of text for comparison and for display."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.accounts.people import parse_name
from deskwire.kit.errors import Invalid
from deskwire.kit.text import MAX_WORD_LENGTH, escape_control_characters, fold_text, split_words

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
def test_an_invisible_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        parse_name(name)


@pytest.mark.parametrize("name", ["Ada", "李", "👩\u200d🚒", "O’Brien", "नी", "א"])
def test_a_real_name_is_accepted(name: str) -> None:
    assert parse_name(name) == name


@given(st.text())
def test_escaped_text_cannot_control_a_terminal(text: str) -> None:
    shown = escape_control_characters(text)

    assert not any(
        sign < " " or "\x7f" <= sign < "\xa0" or "\u202a" <= sign <= "\u202e" for sign in shown
    )
    assert escape_control_characters(shown) == shown


def test_an_escape_sequence_is_escaped() -> None:
    assert escape_control_characters("a\x1b[2J\x9b2J\u202eb ü") == "a\\x1b[2J\\x9b2J\\u202eb ü"


@given(st.text())
def test_folding_text_is_idempotent(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t PANIC, don't!", ["don", "t", "panic"]),
        ("crane_desk+2@harbour.example", ["crane", "desk", "2", "harbour", "example"]),
        ("https://a.b/c?d=-5.0", ["https", "a", "b", "c", "d", "5", "0"]),
        ("U\u0308bung STRASSE", ["übung", "strasse"]),
        ("हिन्दी में עִבְרִית 한국어", ["हिन्दी", "में", "עִבְרִית", "한국어"]),
        ("起重機", ["起重", "重機", "機"]),
        ("クレーンA1号機", ["クレ", "レー", "ーン", "ン", "a1", "号機", "機"]),
        ("🏗️ ❤️ \u0301 …!? \0 \ud800", []),
        ("", []),
        ("x" * 200, ["x" * MAX_WORD_LENGTH]),
    ],
)
def test_text_is_split_into_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@given(st.text())
def test_no_word_contains_a_separator_of_the_database(text: str) -> None:
    for word in split_words(text):
        assert 0 < len(word) <= MAX_WORD_LENGTH
        assert not any(sign.isspace() or (sign.isascii() and not sign.isalnum()) for sign in word)
