"""How streams end: each is told why, and none outlives its session or its process."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.fixtures import sse
from tests.fixtures.guild import Place
from tests.fixtures.server import PASSWORD, running

MOST = 8  # STREAMS_PER_PERSON where nothing is set
SHUTDOWN = 2.0  # s from SIGTERM to the end of the process


def farewell(stream: sse.Stream) -> dict[str, object]:
    """What a stream that must end is told at last."""
    last = stream.rest()[-1]
    assert last.name == "goodbye"
    return last.told


def test_the_oldest_stream_of_a_person_makes_room_and_is_told_why(place: Place) -> None:
    cookie = place.staff()
    with ExitStack() as stack:
        streams = [stack.enter_context(place.listen(cookie)) for _ in range(MOST + 1)]

        assert farewell(streams[0]) == {"reason": "too-many-streams"}

        place.open_ticket(1, "For all the others")
        for stream in streams[1:]:
            assert stream.next().type == "ticket.created"


def test_signing_out_ends_every_stream_of_the_session_and_no_other(place: Place) -> None:
    desk = place.staff()
    phone = place.server.sign_in(place.ada.email)
    with place.listen(desk) as one, place.listen(desk) as two, place.listen(phone) as other:
        assert place.server.submit("/sign-out", desk).status == 303

        assert farewell(one) == farewell(two) == {"reason": "signed-out"}
        place.open_ticket(1, "For the phone")
        other.until_type("ticket.created")
    with sse.connect(place.server.port, "/api/events", desk) as again:
        assert again.status == 401


def test_a_new_password_ends_the_streams_of_every_other_session(place: Place) -> None:
    desk = place.staff()
    phone = place.server.sign_in(place.ada.email)
    with place.listen(phone) as stream:
        form = {"current": PASSWORD, "password": "a much better battery staple"}
        reply = place.server.submit("/settings/password", desk, **form)

        assert reply.status == 303
        assert farewell(stream) == {"reason": "signed-out"}
    fresh = reply.headers["set-cookie"].partition(";")[0]
    with place.listen(fresh) as stream:
        place.open_ticket(1, "For the new session")
        stream.until_type("ticket.created")


def test_a_stream_that_is_gone_is_forgotten(place: Place) -> None:
    cookie = place.staff()
    with place.listen(cookie), place.listen(cookie):
        pass
    mark = place.server.log.mark
    with place.listen(cookie) as stream:
        place.open_ticket(1, "For one")
        stream.until_type("ticket.created")

    place.server.log.wait_for(r"update to 1 client \(ticket.created", after=mark)


def test_at_the_end_of_the_process_each_stream_is_given_its_own_time_to_return(
    tmp_path: Path, way: tuple[str, ...]
) -> None:
    with running(tmp_path, way, STREAMS_PER_PERSON="60") as server, ExitStack() as stack:
        place = Place(server)
        cookie = place.staff()
        streams = [stack.enter_context(place.listen(cookie)) for _ in range(50)]

        seconds, code = server.stop()

        assert (seconds < SHUTDOWN, code) == (True, 0)
        waits = []
        for stream in streams:
            retry, goodbye = stream.rest()
            assert goodbye.told == {"reason": "restart", "retry": int(retry.fields["retry"])}
            waits.append(goodbye.told["retry"])
        assert len(set(waits)) == len(waits)
        assert min(waits) >= 500
