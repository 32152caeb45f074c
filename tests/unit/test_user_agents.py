"""Test the names of browsers and the formats of times."""

from __future__ import annotations

import pytest

from deskwire.web.http.user_agents import describe_user_agent
from deskwire.web.rendering.render import EMPTY_STATE, utc_text
from deskwire.web.rendering.time_zones import local_time_text, time_zones_by_region, use_time_zone

NOON = 1_795_348_800_000  # ms; 2026-11-22T12:00:00Z
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0", "Firefox on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64) {WEBKIT}", "Chrome on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64) {WEBKIT} Edg/140.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Linux; Android 15) {WEBKIT}", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19 Safari/605",
            "Safari on macOS",
        ),
        ("curl/8.1", "curl"),
        ("something (Linux)", "A browser on Linux"),
        ("<script>", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_a_browser_has_a_recognizable_name(agent: str, name: str) -> None:
    assert describe_user_agent(agent) == name


def test_a_time_is_shown_in_the_readers_time_zone() -> None:
    with use_time_zone("Asia/Tokyo"):
        assert local_time_text(NOON) == "22 Nov 2026, 21:00 JST"
    assert local_time_text(NOON) == utc_text(NOON) == "22 Nov 2026, 12:00 UTC"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc", "/etc/passwd"])
def test_an_unknown_time_zone_falls_back_to_utc(zone: str) -> None:
    with use_time_zone(zone):
        assert local_time_text(NOON) == utc_text(NOON)


def test_the_empty_state_has_no_time() -> None:
    assert local_time_text(EMPTY_STATE) == ""


def test_time_zones_are_grouped_by_continent() -> None:
    assert "Europe/Oslo" in time_zones_by_region()["Europe"]
    assert time_zones_by_region()["Other"] == ["UTC"]
