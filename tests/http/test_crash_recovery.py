"""Test crash recovery: what was answered 200 is kept, however often the server is killed.

Senders post as fast as they are answered, a stream listens, and the process is ended by SIGKILL
at random moments. A sender without an answer sends the same message again (at-least-once).
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from threading import Condition, Thread

import pytest
from sqlalchemy import Connection, select

from deskwire.events.log import log
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.tickets.messages import messages
from deskwire.webhooks.deliveries import count_pending, deliveries
from tests.fixtures import sse
from tests.fixtures.database_kind import DatabaseKind
from tests.fixtures.guild import GuildFixture
from tests.fixtures.scale import scaled
from tests.fixtures.server import Server, running
from tests.fixtures.stream_server import wait_until

KILLS = {"sqlite": 12, "postgresql": 6}  # PostgreSQL itself lives on: there is less to break
SENDERS = 4
MOST_ANSWERS = 60  # between two kills; few enough that some hit a process that has just begun
BACKLOG_PATIENCE = 180.0  # s until everything that was stored is processed, on a busy machine
PATIENCE = 30.0  # s for a server to come back, or for a batch of answers


def wait_until_processed(server: Server) -> None:
    """Wait for the worker: what was stored in the last lives may be thousands of deliveries."""
    with server.open_database() as db:
        wait_until(lambda: db.read_sync(count_pending) == 0, BACKLOG_PATIENCE)


class Load:
    """Which life of the server this is, and what was answered in it."""

    def __init__(self) -> None:
        self.life = 0
        self.is_over = False
        self.answered: list[str] = []
        self._changed = Condition()

    def begin_life(self) -> None:
        with self._changed:
            self.life += 1
            self._changed.notify_all()

    def note_answer(self, id_: str) -> None:
        with self._changed:
            self.answered.append(id_)
            self._changed.notify_all()

    def wait_for_life_after(self, life: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.life > life, PATIENCE)

    def wait_for_answers(self, more: int) -> None:
        with self._changed:
            enough = len(self.answered) + more
            assert self._changed.wait_for(lambda: len(self.answered) >= enough, PATIENCE)


class Sender(Thread):
    """Writes in a ticket of its own, each message until it is answered."""

    def __init__(self, guild: GuildFixture, number: int, weather: Load) -> None:
        super().__init__(daemon=True)
        self._place = guild
        self._number = number
        self._weather = weather
        self.sent = 0

    def run(self) -> None:
        while not self._weather.is_over:
            self.sent += 1
            self._deliver(message_id(self._number, self.sent))

    def _deliver(self, id_: str) -> None:
        data = build_sample_data(
            "ticket.message_sent",
            guild=self._place.guild_id,
            ticket=1000 + self._number,
            number=self._number,
            content=f"This is message {id_}.",
        )
        data["messageId"] = id_
        while True:
            life = self._weather.life
            try:
                answer = self._place.server.post_event("ticket.message_sent", data, id_=id_)
            except (OSError, HTTPException):
                self._weather.wait_for_life_after(life)
                continue
            assert answer.status == 200, answer
            self._weather.note_answer(id_)
            return


class Reader(Thread):
    """Listens through it all with its cursor, until a ticket is closed."""

    def __init__(self, guild: GuildFixture, cookie: str, weather: Load) -> None:
        super().__init__(daemon=True)
        self._place = guild
        self._cookie = cookie
        self._weather = weather
        with guild.open_stream(cookie) as stream:
            self._cursor = stream.cursor
        self.heard: list[str] = []
        self.verdicts: Counter[str] = Counter()

    def run(self) -> None:
        while True:
            life = self._weather.life
            try:
                if self._listen():
                    return
            except (OSError, sse.StreamEnded):
                self._weather.wait_for_life_after(life)

    def _listen(self) -> bool:
        port = self._place.server.port
        with sse.connect(port, "/api/events", self._cookie, self._cursor) as stream:
            while True:
                sent = stream.next_frame(PATIENCE)
                self._cursor = stream.cursor
                if sent.type == "connected":
                    self.verdicts[sent.data["verdict"]] += 1
                elif sent.type == "ticket.message_sent":
                    self.heard.append(sent.data["data"]["messageId"])
                elif sent.type == "ticket.closed":
                    return True


@contextmanager
def working(threads: list[Thread]) -> Iterator[None]:
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def kill_again_and_again(server: Server, weather: Load, kills: int) -> None:
    for _ in range(kills):
        weather.wait_for_answers(random.randint(1, MOST_ANSWERS))
        server.kill()
        server.start()
        weather.begin_life()


def message_id(sender: int, count: int) -> str:
    return str(sender * 1_000_000 + count)


def read_states(tx: Connection) -> dict[str, Counter[str]]:
    """For each id a sender used, how many deliveries ended in which state."""
    chosen = select(deliveries.c.envelope_id, deliveries.c.state)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for row in tx.execute(chosen.where(deliveries.c.envelope_id.is_not(None))):
        found[json.loads(row.envelope_id)][row.state] += 1  # kept as JSON tells it
    return found


def read_replies(tx: Connection) -> list[str]:
    """The sender's ids of everything written, as the timelines hold them."""
    written = select(messages.c.sender_id).where(messages.c.kind == "reply")
    return sorted(tx.execute(written).scalars())


def read_positions(tx: Connection) -> list[int]:
    return list(tx.execute(select(log.c.position).order_by(log.c.position)).scalars())


@pytest.mark.slow
def test_every_acknowledged_write_survives_a_crash_exactly_once(
    database: DatabaseKind, tmp_path: Path
) -> None:
    kills = scaled(KILLS[database])
    with running(Server(tmp_path, {}, is_forked=True)) as server:
        guild, weather = GuildFixture(server), Load()
        cookie = guild.sign_in_staff()
        for number in range(1, SENDERS + 1):
            guild.open_ticket(number, f"Ticket of sender {number}")
        senders = [Sender(guild, number, weather) for number in range(1, SENDERS + 1)]
        reader = Reader(guild, cookie, weather)

        with working([reader]):
            with working([*senders]):
                kill_again_and_again(server, weather, kills)
                weather.is_over = True
            wait_until_processed(server)
            guild.close_ticket(1)

        with server.open_database() as db:
            states = db.read_sync(read_states)
            replies = db.read_sync(read_replies)
            positions = db.read_sync(read_positions)

    sent = sorted(message_id(n, i) for n, s in enumerate(senders, 1) for i in range(1, s.sent + 1))
    again = sum(each["repeat"] for each in states.values())
    print(f"\n{kills} kills, {len(sent)} messages, {again} kept though their answer was lost")
    assert sorted(weather.answered) == sent
    assert [id_ for id_ in sent if states[id_]["done"] != 1] == []
    assert {state for each in states.values() for state in each} <= {"done", "repeat"}
    assert replies == sent
    assert positions == list(range(1, len(positions) + 1))
    assert set(reader.verdicts) == {"resumed"}
    assert sorted(reader.heard) == sent
