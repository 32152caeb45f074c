"""What is given or taken while a stream is open: it acts at once, and on that stream."""

from __future__ import annotations

from tests.fixtures import sse
from tests.fixtures.guild import Place

SIGNED_OUT = ["session.revoked", "goodbye"]  # what a stream hears last when its session ends


def names(frames: list[sse.Sent]) -> list[str]:
    """Events by type, control frames by name."""
    return [frame.type or frame.name for frame in frames]


def test_the_shell_links_a_person_and_their_open_stream_gains_what_they_hold(
    place: Place,
) -> None:
    cookie = place.server.move_in(place.ada, linked=False)
    place.assign(place.ada)
    with place.listen(cookie) as stream:
        place.server.command("people", "link", place.ada.email, "--discord", place.ada.discord)

        granted = stream.until_named("granted")
        place.open_ticket(1, "Heard at once")
        event = stream.next()

    assert granted.told == {"channels": [place.workspace, f"tickets:{place.workspace}"]}
    assert event.type == "ticket.created"


def test_the_shell_unlinks_a_person_and_their_open_stream_falls_silent(place: Place) -> None:
    cookie = place.staff()
    with place.listen(cookie) as stream:
        place.server.command("people", "unlink", place.ada.email)

        revoked = stream.until_named("revoked")
        place.open_ticket(1, "Not for Ada")
        place.server.submit("/sign-out", cookie)
        rest = stream.rest()

    assert revoked.told == {"channels": [place.workspace, f"tickets:{place.workspace}"]}
    assert names(rest) == SIGNED_OUT


def test_who_loses_a_role_hears_that_last_and_nothing_later(place: Place) -> None:
    cookie = place.server.move_in(place.dee)
    place.assign(place.dee)
    with place.listen(cookie) as stream:
        place.open_ticket(1, "Before")
        place.unassign(place.dee)
        place.open_ticket(2, "After")
        place.server.submit("/sign-out", cookie)
        frames = stream.rest()

    assert names(frames) == ["ticket.created", "team.member_unassigned", "revoked", *SIGNED_OUT]


def test_who_is_given_the_role_again_hears_what_comes_from_then_on(place: Place) -> None:
    cookie = place.server.move_in(place.dee)
    with place.listen(cookie) as stream:
        place.assign(place.dee)
        stream.until_named("granted")
        place.unassign(place.dee)
        stream.until_named("revoked")  # given again before that, it counts as never lost
        place.open_ticket(1, "Between")
        place.assign(place.dee)
        stream.until_named("granted")
        place.open_ticket(2, "Again")
        frames = stream.until(lambda sent: sent.type == "ticket.created")

    assert frames[-1].told["data"]["subject"] == "Again"


def test_what_was_lost_while_away_is_not_among_what_is_held(place: Place) -> None:
    cookie = place.server.move_in(place.dee)
    place.assign(place.dee)
    with place.listen(cookie) as before:
        pass
    place.open_ticket(1, "Behind her back")
    place.unassign(place.dee)

    with sse.connect(place.server.port, "/api/events", cookie, before.cursor) as after:
        first = after.next()
        place.server.submit("/sign-out", cookie)
        rest = after.rest()

    assert [name for name in first.told["channels"] if place.guild in name] == []
    assert names(rest) == ["team.member_unassigned", *SIGNED_OUT]  # her own channel told her
