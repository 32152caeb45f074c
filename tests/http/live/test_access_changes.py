"""Test that access given or taken while a stream is open takes effect at once on that stream."""

from __future__ import annotations

from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture

SIGNED_OUT = ["session.revoked", "goodbye"]  # what a stream hears last when its session ends


def names(frames: list[sse.Frame]) -> list[str]:
    """Events by type, control frames by name."""
    return [frame.type or frame.name for frame in frames]


def test_linking_an_account_in_the_cli_adds_channels_to_open_streams(
    guild: GuildFixture,
) -> None:
    cookie = guild.server.create_account(guild.ada, linked=False)
    guild.assign_role(guild.ada)
    with guild.open_stream(cookie) as stream:
        guild.server.run_command_line(
            "people", "link", guild.ada.email, "--discord", guild.ada.discord_id
        )

        granted = stream.read_until_named("granted")
        guild.open_ticket(1, "Heard at once")
        event = stream.next_frame()

    assert granted.data == {"channels": [guild.workspace, f"tickets:{guild.workspace}"]}
    assert event.type == "ticket.created"


def test_unlinking_an_account_in_the_cli_silences_open_streams(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as stream:
        guild.server.run_command_line("people", "unlink", guild.ada.email)

        revoked = stream.read_until_named("revoked")
        guild.open_ticket(1, "Not for Ada")
        guild.server.submit_form("/sign-out", cookie)
        rest = stream.read_rest()

    assert revoked.data == {"channels": [guild.workspace, f"tickets:{guild.workspace}"]}
    assert names(rest) == SIGNED_OUT


def test_a_person_who_loses_a_role_hears_that_last(guild: GuildFixture) -> None:
    cookie = guild.server.create_account(guild.dee)
    guild.assign_role(guild.dee)
    with guild.open_stream(cookie) as stream:
        guild.open_ticket(1, "Before")
        guild.unassign_role(guild.dee)
        guild.open_ticket(2, "After")
        guild.server.submit_form("/sign-out", cookie)
        frames = stream.read_rest()

    assert names(frames) == ["ticket.created", "team.member_unassigned", "revoked", *SIGNED_OUT]


def test_a_person_given_a_role_again_hears_later_events_only(guild: GuildFixture) -> None:
    cookie = guild.server.create_account(guild.dee)
    with guild.open_stream(cookie) as stream:
        guild.assign_role(guild.dee)
        stream.read_until_named("granted")
        guild.unassign_role(guild.dee)
        stream.read_until_named("revoked")  # given again before that, it counts as never lost
        guild.open_ticket(1, "Between")
        guild.assign_role(guild.dee)
        stream.read_until_named("granted")
        guild.open_ticket(2, "Again")
        frames = stream.read_until(lambda sent: sent.type == "ticket.created")

    assert frames[-1].data["data"]["subject"] == "Again"


def test_channels_lost_while_disconnected_are_not_listed_on_reconnect(guild: GuildFixture) -> None:
    cookie = guild.server.create_account(guild.dee)
    guild.assign_role(guild.dee)
    with guild.open_stream(cookie) as before:
        pass
    guild.open_ticket(1, "Behind her back")
    guild.unassign_role(guild.dee)

    with sse.connect(guild.server.port, "/api/events", cookie, before.cursor) as after:
        first = after.next_frame()
        guild.server.submit_form("/sign-out", cookie)
        rest = after.read_rest()

    assert [name for name in first.data["channels"] if guild.guild_id in name] == []
    assert names(rest) == ["team.member_unassigned", *SIGNED_OUT]  # her own channel told her
