"""Test the parsing of lists of origins."""

from __future__ import annotations

import pytest

from deskwire.kit.web_origin import parse_origins


def test_origins_are_normalized_and_listed_once() -> None:
    text = " https://Status.Example.org:443, http://localhost:3000 ,https://status.example.org,"

    assert parse_origins(text) == ("https://status.example.org", "http://localhost:3000")


def test_an_empty_list_has_no_origin() -> None:
    assert parse_origins(" ") == ()


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "https://*.example.org",
        "status.example.org",
        "ftp://status.example.org",
        "https://status.example.org/",
        "https://status.example.org/page",
        "https://status.example.org?x",
        "https://status.example.org#",
        "https://ada@status.example.org",
        "https://status.example.org:port",
        "https://status.example.org https://other.example.org",
        "https://good.example.org,bad",
    ],
)
def test_anything_but_origins_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="separated by commas"):
        parse_origins(text)
