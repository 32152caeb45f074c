"""Test resuming: missed events arrive once, also over a restart, or the page reloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import Server, running_server

MAX_BEHIND = 5  # entries; MAX_BEHIND of the server that forgets quickly


@pytest.fixture(scope="module")
def short_replay_server(
    server_command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with running_server(
        tmp_path_factory.mktemp("forgetful"), server_command, MAX_BEHIND=str(MAX_BEHIND)
    ) as started:
        yield started


def heard_subjects(frames: list[sse.Frame]) -> list[str]:
    """Return the subjects of the created tickets, in order of arrival."""
    return [f.data["data"]["subject"] for f in frames if f.type == "ticket.created"]


def test_missed_events_are_replayed_once_and_in_order(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        guild.open_ticket(1, "heard")
        before.read_until_type("ticket.created")
    for number in (2, 3, 4):
        guild.open_ticket(number, f"missed {number}")

    with sse.connect(guild.server.port, "/api/events", cookie, before.cursor) as after:
        first = after.next_frame()
        guild.open_ticket(5, "live")
        frames = after.read_until(lambda sent: heard_subjects([sent]) == ["live"])

    assert (first.data["verdict"], first.id) == ("resumed", before.cursor)
    assert heard_subjects(frames) == ["missed 2", "missed 3", "missed 4", "live"]


def test_a_page_names_its_cursor_in_the_url(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        guild.open_ticket(1, "rendered")
        before.read_until_type("ticket.created")
    guild.open_ticket(2, "since then")

    with sse.connect(guild.server.port, f"/api/events?after={before.cursor}", cookie) as stream:
        assert stream.next_frame().data["verdict"] == "resumed"
        assert heard_subjects([stream.next_frame()]) == ["since then"]


def test_the_header_takes_precedence_over_the_url_on_a_reconnect(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        rendered_at = before.cursor
        guild.open_ticket(1, "heard since")
        before.read_until_type("ticket.created")
    guild.open_ticket(2, "missed")

    path = f"/api/events?after={rendered_at}"
    with sse.connect(guild.server.port, path, cookie, before.cursor) as stream:
        assert stream.next_frame().data["verdict"] == "resumed"
        assert heard_subjects([stream.next_frame()]) == ["missed"]


def test_a_stream_resumes_over_a_restart_without_loss_or_duplicates(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        guild.open_ticket(1, "before")
        guild.open_ticket(2, "just before")
        before.read_until_type(
            "ticket.created"
        )  # the second is on its way, and lost with the stream

    guild.server.restart()
    guild.open_ticket(3, "after")

    with sse.connect(guild.server.port, "/api/events", cookie, before.cursor) as after:
        assert after.next_frame().data["verdict"] == "resumed"
        frames = after.read_until(lambda sent: heard_subjects([sent]) == ["after"])
    assert heard_subjects(before.frames) + heard_subjects(frames) == [
        "before",
        "just before",
        "after",
    ]


@pytest.mark.parametrize(
    ("cursor", "because"),
    [
        ("00000000-1", "epoch"),
        ("{epoch}-999999999", "future"),
        ("nonsense", "unreadable"),
        ("{epoch}--1", "unreadable"),
    ],
)
def test_an_unknown_cursor_is_answered_with_the_position_to_continue_from(
    guild: GuildFixture, cursor: str, because: str
) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        epoch = before.cursor.partition("-")[0]

    path = "/api/events"
    with sse.connect(guild.server.port, path, cookie, cursor.format(epoch=epoch)) as stream:
        first, reset = stream.next_frame(), stream.next_frame()
        guild.open_ticket(1, "from here on")
        event = stream.next_frame()

    assert (first.data["verdict"], first.data["because"]) == ("reset", because)
    assert (reset.name, reset.data["because"]) == ("reset", because)
    assert reset.id == reset.data["position"] == first.id
    assert heard_subjects([event]) == ["from here on"]


def position_in(cursor: str | None) -> int:
    """The number of a cursor, which text does not compare."""
    return int(str(cursor).rpartition("-")[2])


def test_a_client_too_far_behind_is_told_to_reload(short_replay_server: Server) -> None:
    guild = GuildFixture(short_replay_server)
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        pass
    for number in range(1, MAX_BEHIND + 2):
        guild.open_ticket(number, f"missed {number}")

    with sse.connect(short_replay_server.port, "/api/events", cookie, before.cursor) as stream:
        first, reset = stream.next_frame(), stream.next_frame()

    assert (first.data["verdict"], first.data["because"]) == ("reset", "behind")
    assert position_in(reset.id) > position_in(before.cursor)


def test_a_client_exactly_at_the_limit_is_sent_everything(short_replay_server: Server) -> None:
    guild = GuildFixture(short_replay_server)
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        pass
    for number in range(1, MAX_BEHIND + 1):
        guild.open_ticket(number, f"missed {number}")

    with sse.connect(short_replay_server.port, "/api/events", cookie, before.cursor) as stream:
        assert stream.next_frame().data["verdict"] == "resumed"
        frames = stream.read_until(lambda sent: heard_subjects([sent]) == [f"missed {MAX_BEHIND}"])

    assert len(heard_subjects(frames)) == MAX_BEHIND


def test_invisible_events_do_not_count_as_behind(short_replay_server: Server) -> None:
    guild, elsewhere = GuildFixture(short_replay_server), GuildFixture(short_replay_server)
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as before:
        pass
    for number in range(1, MAX_BEHIND * 4):
        elsewhere.open_ticket(number, "not for Ada")
    guild.open_ticket(1, "for Ada")

    with sse.connect(short_replay_server.port, "/api/events", cookie, before.cursor) as stream:
        assert stream.next_frame().data["verdict"] == "resumed"
        assert heard_subjects([stream.next_frame()]) == ["for Ada"]
