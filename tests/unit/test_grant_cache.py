"""Test which of a viewer's channels belong on which stream."""

from __future__ import annotations

from deskwire.events.channels import STAFF_CHANNEL, Grant
from deskwire.realtime.grant_cache import build_channel_sets

OWN = Grant("user:1", None, "self")
TEAM = Grant(STAFF_CHANNEL, None, "support_analyst")
SERVER = Grant("guild:7", "guild:7", "role"), Grant("ticket:a", "guild:7", "opener")
COMPANY = Grant("org:q", "org:q", "member"), Grant("ticket:b", "org:q", "watcher")


def test_each_scope_carries_its_own_channels_and_the_personal_one() -> None:
    sets = build_channel_sets([OWN, TEAM, *SERVER, *COMPANY])

    assert sets.in_scope("all") == ("guild:7", "org:q", "staff", "ticket:a", "ticket:b", "user:1")
    assert sets.in_scope("guilds") == ("guild:7", "ticket:a", "user:1")
    assert sets.in_scope("requests") == ("org:q", "staff", "ticket:b", "user:1")


def test_scopes_with_equal_channels_share_one_tuple() -> None:
    sets = build_channel_sets([OWN, *COMPANY])

    assert sets.requests is sets.all
    assert sets.guilds == ("user:1",)
