"""Coming back: what was missed is heard once, also over a restart, or the page reloads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import sse
from tests.fixtures.guild import Place
from tests.fixtures.server import Server, running

FAR = 5  # entries; MAX_BEHIND of the server that forgets quickly


@pytest.fixture(scope="module")
def forgetful(way: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("forgetful"), way, MAX_BEHIND=str(FAR)) as started:
        yield started


def heard(frames: list[sse.Sent]) -> list[str]:
    """The subjects of the tickets that were told of."""
    return [f.told["data"]["subject"] for f in frames if f.type == "ticket.created"]


def test_what_was_missed_is_heard_once_and_in_order(place: Place) -> None:
    cookie = place.staff()
    with place.listen(cookie) as before:
        place.open_ticket(1, "heard")
        before.until_type("ticket.created")
    for number in (2, 3, 4):
        place.open_ticket(number, f"missed {number}")

    with sse.connect(place.server.port, "/api/events", cookie, before.cursor) as after:
        first = after.next()
        place.open_ticket(5, "live")
        frames = after.until(lambda sent: heard([sent]) == ["live"])

    assert (first.told["verdict"], first.id) == ("resumed", before.cursor)
    assert heard(frames) == ["missed 2", "missed 3", "missed 4", "live"]


def test_a_page_names_its_cursor_in_the_url(place: Place) -> None:
    cookie = place.staff()
    with place.listen(cookie) as before:
        place.open_ticket(1, "rendered")
        before.until_type("ticket.created")
    place.open_ticket(2, "since then")

    with sse.connect(place.server.port, f"/api/events?after={before.cursor}", cookie) as stream:
        assert stream.next().told["verdict"] == "resumed"
        assert heard([stream.next()]) == ["since then"]


def test_the_header_beats_the_url_which_a_reconnect_repeats(place: Place) -> None:
    cookie = place.staff()
    with place.listen(cookie) as before:
        rendered_at = before.cursor
        place.open_ticket(1, "heard since")
        before.until_type("ticket.created")
    place.open_ticket(2, "missed")

    path = f"/api/events?after={rendered_at}"
    with sse.connect(place.server.port, path, cookie, before.cursor) as stream:
        assert stream.next().told["verdict"] == "resumed"
        assert heard([stream.next()]) == ["missed"]


def test_a_stream_goes_on_over_a_restart_without_loss_or_double(place: Place) -> None:
    cookie = place.staff()
    with place.listen(cookie) as before:
        place.open_ticket(1, "before")
        place.open_ticket(2, "just before")
        before.until_type("ticket.created")  # the second is on its way, and lost with the stream

    place.server.restart()
    place.open_ticket(3, "after")

    with sse.connect(place.server.port, "/api/events", cookie, before.cursor) as after:
        assert after.next().told["verdict"] == "resumed"
        frames = after.until(lambda sent: heard([sent]) == ["after"])
    assert heard(before.heard) + heard(frames) == ["before", "just before", "after"]


@pytest.mark.parametrize(
    ("cursor", "because"),
    [
        ("00000000-1", "epoch"),
        ("{epoch}-999999999", "future"),
        ("nonsense", "unreadable"),
        ("{epoch}--1", "unreadable"),
    ],
)
def test_a_cursor_that_leads_nowhere_is_answered_with_the_place_to_go_on_from(
    place: Place, cursor: str, because: str
) -> None:
    cookie = place.staff()
    with place.listen(cookie) as before:
        epoch = before.cursor.partition("-")[0]

    path = "/api/events"
    with sse.connect(place.server.port, path, cookie, cursor.format(epoch=epoch)) as stream:
        first, reset = stream.next(), stream.next()
        place.open_ticket(1, "from here on")
        event = stream.next()

    assert (first.told["verdict"], first.told["because"]) == ("reset", because)
    assert (reset.name, reset.told["because"]) == ("reset", because)
    assert reset.id == reset.told["position"] == first.id
    assert heard([event]) == ["from here on"]


def position_in(cursor: str | None) -> int:
    """The number of a cursor, which text does not compare."""
    return int(str(cursor).rpartition("-")[2])


def test_who_is_too_far_behind_reloads_instead(forgetful: Server) -> None:
    place = Place(forgetful)
    cookie = place.staff()
    with place.listen(cookie) as before:
        pass
    for number in range(1, FAR + 2):
        place.open_ticket(number, f"missed {number}")

    with sse.connect(forgetful.port, "/api/events", cookie, before.cursor) as stream:
        first, reset = stream.next(), stream.next()

    assert (first.told["verdict"], first.told["because"]) == ("reset", "behind")
    assert position_in(reset.id) > position_in(before.cursor)


def test_who_is_just_near_enough_is_told_everything(forgetful: Server) -> None:
    place = Place(forgetful)
    cookie = place.staff()
    with place.listen(cookie) as before:
        pass
    for number in range(1, FAR + 1):
        place.open_ticket(number, f"missed {number}")

    with sse.connect(forgetful.port, "/api/events", cookie, before.cursor) as stream:
        assert stream.next().told["verdict"] == "resumed"
        frames = stream.until(lambda sent: heard([sent]) == [f"missed {FAR}"])

    assert len(heard(frames)) == FAR


def test_what_others_did_does_not_count_as_distance(forgetful: Server) -> None:
    place, elsewhere = Place(forgetful), Place(forgetful)
    cookie = place.staff()
    with place.listen(cookie) as before:
        pass
    for number in range(1, FAR * 4):
        elsewhere.open_ticket(number, "not for Ada")
    place.open_ticket(1, "for Ada")

    with sse.connect(forgetful.port, "/api/events", cookie, before.cursor) as stream:
        assert stream.next().told["verdict"] == "resumed"
        assert heard([stream.next()]) == ["for Ada"]
