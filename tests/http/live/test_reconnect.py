"""Test platforms that cut every connection after a while: streams resume, nothing else happens."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from threading import Thread

import pytest

from tests.fixtures import sse
from tests.fixtures.cutting_proxy import CuttingProxy
from tests.fixtures.guild import GuildFixture

pytestmark = pytest.mark.database("sqlite")  # none has a part in it

EVERY = 0.2  # s; platforms take 10 to 60
CUTS = 15
MOST_EVENTS = 5_000  # bounds the test, should nothing ever be cut
PATIENCE = 30.0  # s to hear the last
LAST = "The last of all"


class Follower(Thread):
    """Hears as our own client does: it keeps its cursor, and comes back with it at once."""

    def __init__(self, port: int, cookie: str, cursor: str) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._cookie = cookie
        self._cursor = cursor
        self.heard: list[str] = []
        self.verdicts: Counter[str] = Counter()

    def run(self) -> None:
        while LAST not in self.heard:
            with suppress(sse.StreamEnded, ConnectionError):
                self._listen()

    def _listen(self) -> None:
        with sse.connect(self._port, "/api/events", self._cookie, self._cursor) as stream:
            while LAST not in self.heard:
                sent = stream.next_frame()
                self._cursor = stream.cursor
                if sent.type == "connected":
                    self.verdicts[sent.data["verdict"]] += 1
                elif sent.type == "ticket.created":
                    self.heard.append(sent.data["data"]["subject"])


def test_every_event_is_received_once_and_in_order_over_many_disconnects(
    guild: GuildFixture,
) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie) as stream:
        before = stream.cursor
    ids: list[str] = []
    with CuttingProxy(guild.server.port, EVERY) as cutter:
        follower = Follower(cutter.port, cookie, before)
        follower.start()
        while cutter.cut_count < CUTS and len(ids) < MOST_EVENTS:
            ids.append(f"Ticket {len(ids) + 1}")
            guild.open_ticket(len(ids), ids[-1])
        ids.append(LAST)
        guild.open_ticket(len(ids), LAST)
        follower.join(PATIENCE)

    assert cutter.cut_count >= CUTS
    assert follower.heard == ids
    assert set(follower.verdicts) == {"resumed"}
    assert follower.verdicts["resumed"] >= CUTS
