"""Test Range headers as browsers and attackers write them."""

from __future__ import annotations

import pytest

from deskwire.web.http.ranges import RangeNotSatisfiable, matches_if_none_match, parse_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("Bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-99", (5, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=" + ",".join(["0-"] * 1000), None),
        ("items=0-1", None),
        ("bytes=0x1-2", None),
        ("bytes=٣-4", None),
        ("bytes=0-" + "9" * 5000, None),
        ("bytes=-1-2", None),
        ("bytes= 0-1", None),
    ],
)
def test_a_range_header_selects_one_range_or_the_whole_file(
    header: str | None, part: tuple[int, int] | None
) -> None:
    assert parse_range(header, 10) == part


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=" + "9" * 18 + "-"]
)
def test_a_range_past_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, 10)


def test_an_empty_file_has_no_ranges() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


def test_a_cached_copy_is_recognized_by_its_etag() -> None:
    assert matches_if_none_match('"a", W/"b"', '"b"')
    assert matches_if_none_match("*", '"b"')
    assert not matches_if_none_match(None, '"b"')
    assert not matches_if_none_match('"a"', '"b"')
