"""Test that every time zone is there on a machine that has none of its own."""

from __future__ import annotations

import zoneinfo


def test_time_zones_do_not_depend_on_the_operating_system() -> None:
    zoneinfo.reset_tzpath(to=[])
    try:
        assert "Europe/Berlin" in zoneinfo.available_timezones()
        assert zoneinfo.ZoneInfo.no_cache("Asia/Kathmandu").key == "Asia/Kathmandu"
    finally:
        zoneinfo.reset_tzpath()
