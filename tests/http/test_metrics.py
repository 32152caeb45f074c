"""Test /metrics on a real server: its figures are correct, and only operators see them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import PageResponse, Server, running_server
from tests.fixtures.stream_server import wait_until

TOKEN = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"
STREAMS = 10
EVENTS = 100

Samples = dict[tuple[str, str], float]  # (name, values of its labels by their names), figure


@pytest.fixture(scope="module")
def token_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a token, and room for many streams of one person."""
    folder = tmp_path_factory.mktemp("guarded")
    with running_server(folder, METRICS_TOKEN=TOKEN, STREAMS_PER_PERSON="20") as server:
        yield server


@pytest.fixture
def busy_guild(token_server: Server) -> GuildFixture:
    return GuildFixture(token_server)


def ask(server: Server, token: str = "", **headers: str) -> PageResponse:
    more = {"Authorization": f"Bearer {token}"} if token else {}
    return server.request("GET", "/metrics", headers={**more, **headers})


def scrape(server: Server) -> Samples:
    reply = ask(server, TOKEN)
    assert reply.status == 200
    families = text_string_to_metric_families(reply.text)
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def growth(before: Samples, after: Samples) -> Samples:
    """What has changed, and by how much."""
    changes = {key: value - before.get(key, 0) for key, value in after.items()}
    return {key: change for key, change in changes.items() if change}


def size_of(sent: sse.Frame) -> int:
    """Bytes of an event's frame, which has an id and one line of data."""
    return len(f"data: {sent.fields['data']}\nid: {sent.id}\n\n".encode())


def test_sends_and_bytes_are_what_the_streams_received(busy_guild: GuildFixture) -> None:
    server, cookie = busy_guild.server, busy_guild.sign_in_staff()
    busy_guild.open_ticket(1, "The crane is stuck")
    with ExitStack() as stack:
        streams = [stack.enter_context(busy_guild.open_stream(cookie)) for _ in range(STREAMS)]
        before = scrape(server)

        with ThreadPoolExecutor(8) as senders:  # at once, so that some leave as a burst
            for number in range(2, EVENTS + 2):
                senders.submit(
                    server.open_ticket, number, "Ünïcode counts", guild=busy_guild.guild_id
                )
        received = [[stream.next_frame() for _ in range(EVENTS)] for stream in streams]

        changes = growth(before, scrape(server))
        sizes = [size_of(sent) for heard in received for sent in heard]
        assert {sent.type for heard in received for sent in heard} == {"ticket.created"}
        assert changes["deskwire_sends_total", "live"] == len(sizes) == EVENTS * STREAMS
        assert changes["deskwire_sent_bytes_total", "live"] == sum(sizes)
        assert ("deskwire_sends_total", "caught-up") not in changes
        assert changes["deskwire_events_total", "ticket.created"] == EVENTS
        assert changes["deskwire_webhooks_total", "bot,200"] == EVENTS
        assert changes["deskwire_deliveries_total", "done,bot"] == EVENTS
        assert changes["deskwire_log_position", ""] == EVENTS
        assert changes["deskwire_dispatched_position", ""] == EVENTS
        assert 1 <= changes["deskwire_fan_out_seconds_count", ""] <= EVENTS
        assert ("deskwire_streams_open", "all") not in changes


def test_streams_are_counted_as_they_come_go_and_resume(busy_guild: GuildFixture) -> None:
    server, cookie = busy_guild.server, busy_guild.sign_in_staff()
    before = scrape(server)
    with (
        busy_guild.open_stream(cookie) as one,
        busy_guild.open_stream(cookie, "/api/guilds/events"),
    ):
        changes = growth(before, scrape(server))
        assert changes["deskwire_streams_open", "all"] == 1
        assert changes["deskwire_streams_open", "guilds"] == 1
        busy_guild.open_ticket(1, "Heard")
        one.read_until_type("ticket.created")
        cursor = one.cursor
    busy_guild.open_ticket(2, "Missed")
    with (
        busy_guild.open_stream(cookie, last_event_id=cursor) as back,
        busy_guild.open_stream(cookie, "/api/events", "?"),
    ):
        back.read_until_type("ticket.created")
        server.submit_form("/sign-out", cookie)
        back.read_until_named("goodbye")
    left = ("deskwire_streams_ended_total", "left")
    wait_until(lambda: growth(before, scrape(server)).get(left) == 2)

    changes = growth(before, scrape(server))
    assert changes["deskwire_streams_opened_total", "all"] == 3
    assert changes["deskwire_streams_connected_total", ",live"] == 2
    assert changes["deskwire_streams_connected_total", ",resumed"] == 1
    assert changes["deskwire_streams_connected_total", "unreadable,reset"] == 1
    assert changes["deskwire_streams_ended_total", "signed-out"] == 2
    assert changes["deskwire_sends_total", "caught-up"] == 1
    assert scrape(server)["deskwire_streams_waiting", ""] == 0


def test_webhooks_are_counted_by_response_and_outcome(
    busy_guild: GuildFixture,
) -> None:
    server = busy_guild.server
    before = scrape(server)

    server.post_event("ticket.created", {}, secret="0" * 32)
    server.post_event("ticket.created", {"guildId": busy_guild.guild_id})
    wait_until(
        lambda: ("deskwire_deliveries_total", "parked,bot") in growth(before, scrape(server))
    )

    changes = growth(before, scrape(server))
    assert changes["deskwire_webhooks_total", "bot,401"] == 1
    assert changes["deskwire_webhooks_total", "bot,200"] == 1
    assert changes["deskwire_deliveries_total", "parked,bot"] == 1


def test_database_and_process_metrics_are_included(token_server: Server) -> None:
    token_server.submit_form(
        "/sign-in", "", email="nobody@desk.test", password="wrong, and counted"
    )
    samples = scrape(token_server)

    assert samples["deskwire_database_seconds_count", "write"] > 0
    assert samples["deskwire_database_seconds_count", "read"] > 0
    assert samples["deskwire_database_wait_seconds_bucket", "write,+Inf"] > 0
    assert samples["deskwire_log_lag", ""] == 0
    assert samples["deskwire_deliveries_pending", ""] == 0
    assert samples["deskwire_deliveries_oldest_age_seconds", ""] == 0
    assert samples["deskwire_services_broken", ""] == 0
    assert samples["process_resident_memory_bytes", ""] > 2**20
    assert [key for key in samples if key[0] == "deskwire_build_info"]


def test_the_response_is_prometheus_text_and_not_cacheable(token_server: Server) -> None:
    reply = ask(token_server, TOKEN, Accept="application/openmetrics-text;version=1.0.0,*/*;q=0.1")

    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "0"])
def test_a_request_without_the_token_is_told_what_to_send(token_server: Server, token: str) -> None:
    reply = ask(token_server, token)

    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "deskwire_" not in reply.text


def test_no_right_or_wrong_token_is_logged(token_server: Server) -> None:
    mark = token_server.log.end
    wrong = TOKEN[::-1]
    ask(token_server, TOKEN)
    ask(token_server, wrong)

    token_server.log.wait_for_line("/metrics.*401", after=mark)
    written = token_server.log.path.read_text()
    assert TOKEN not in written
    assert wrong not in written


def test_without_a_configured_token_only_direct_local_requests_are_answered(server: Server) -> None:
    assert ask(server).status == 200

    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        assert_absent(server, **{header: "127.0.0.1"})


def test_in_production_metrics_are_off_without_a_token(tmp_path: Path) -> None:
    url = "https://desk.example.org"
    with running_server(tmp_path, ENVIRONMENT="production", PUBLIC_URL=url) as server:
        assert_absent(server)
        assert_absent(server, Authorization="Bearer ")


def assert_absent(server: Server, **headers: str) -> None:
    """The answer is that of an address that does not exist."""
    refused = server.request("GET", "/metrics", headers=headers)
    nowhere = server.request("GET", "/metricz", headers=headers)

    changing = ("date", "content-length")
    assert refused.status == nowhere.status == 404
    assert refused.body == nowhere.body
    assert {k: v for k, v in refused.headers.items() if k not in changing} == {
        k: v for k, v in nowhere.headers.items() if k not in changing
    }
