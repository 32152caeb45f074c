"""Test how the form of an API key reads the day on which the key expires."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from deskwire.accounts.people import Person
from deskwire.accounts.sessions import Session
from deskwire.kit.clock import HOUR
from deskwire.kit.errors import Invalid
from deskwire.web.context import set_request_context
from deskwire.web.dependencies import SignedIn
from deskwire.web.pages.key_forms import parse_expiry, reader_time_zone

END_OF_DAY = 1_803_945_599_999  # ms; 2027-03-01T23:59:59.999Z


@pytest.mark.parametrize(
    ("time_zone", "later"), [(None, 0), ("America/New_York", 5 * HOUR), ("Asia/Tokyo", -9 * HOUR)]
)
def test_a_key_expires_at_the_end_of_the_day_where_its_maker_is(
    time_zone: str | None, later: int
) -> None:
    assert parse_expiry(" 2027-03-01 ", time_zone) == END_OF_DAY + later


def test_a_key_without_a_day_never_expires() -> None:
    assert parse_expiry(" ", None) is None


@pytest.mark.parametrize("text", ["soon", "2027-02-30", "9999-12-31", "1 March"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_expiry(text, None)
    assert list(refused.value.fields) == ["expires"]


def test_days_are_read_in_the_time_zone_of_the_person_who_asks() -> None:
    request = Request({"type": "http"})
    assert reader_time_zone(request) is None

    person = Person("bo", "Bo", None, None, 1, 0, time_zone="Asia/Tokyo")
    set_request_context(request, SignedIn(person, Session("s", "bo", 0, 0, 0, "", None), ()), None)

    assert reader_time_zone(request) == "Asia/Tokyo"
