"""A hub on a bench: outlets that remember, access that answers when it is told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from deskwire.events.access import Answer
from deskwire.events.channels import Channel, Grant
from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame
from deskwire.events.log import Entry
from deskwire.realtime.buffer import Window
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Caller, Seat

EPOCH = "0123abcd"
FOREVER = 2**60


def entry(position: int, *channels: Channel, touches: tuple[Channel, ...] = ()) -> Entry:
    """An event at `position`, recognisable by it."""
    frame = event_frame(Cursor(EPOCH, position), "ticket.updated", "{}", position)
    return Entry(position, "ticket.updated", channels, touches, None, position, frame)


async def wait_until(condition: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for what must become true in its own time; fails after `within` seconds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


class Outlet:
    """Remembers what was written; full after `room` bytes until `drain` is called."""

    def __init__(self, hub: Hub, room: int = FOREVER) -> None:
        self.hub, self.room = hub, room
        self.seat: Seat | None = None
        self.data, self.waiting = b"", 0
        self.ended = self.aborted = False

    def write(self, data: bytes) -> None:
        assert not self.aborted, "written to after it was aborted"
        self.data += data
        self.waiting += len(data)
        if self.waiting >= self.room and self.seat is not None and not self.seat.paused:
            self.hub.pause(self.seat)

    @property
    def sink(self) -> Outlet:
        return self

    def drain(self) -> None:
        """The client has read everything."""
        self.waiting = 0
        if self.seat is not None and self.seat.paused and not self.seat.closed:
            self.hub.resume(self.seat)

    def end(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True

    @property
    def frames(self) -> list[tuple[str, dict[str, object]]]:
        """Every frame as (name, data); events are named `message`."""
        found = []
        for block in self.data.decode().split("\n\n"):
            fields = dict(
                line.split(": ", 1)
                for line in block.split("\n")
                if not line.startswith(":") and line
            )
            if "data" in fields:
                found.append((fields.get("event", "message"), json.loads(fields["data"])))
        return found

    @property
    def heard(self) -> list[int]:
        """The positions of the events that were written."""
        return [
            int(str(data["timestamp"]))
            for name, data in self.frames
            if name == "message" and data["type"] != "connected"
        ]

    @property
    def names(self) -> list[str]:
        """The names of the control frames, in order."""
        return [name for name, _ in self.frames if name != "message"]

    @property
    def connected(self) -> dict[str, object]:
        return next(data for name, data in self.frames if data.get("type") == "connected")


class Bench:
    """A hub with access held in a dictionary; `answers()` lets the next question through."""

    def __init__(
        self,
        *,
        window: int = 2**30,
        max_behind: int = 1000,
        streams: int = 8,
        seats_per_turn: int = 1000,
    ) -> None:
        self.access: dict[str, set[Channel]] = {}
        self.sessions: dict[str, int] = {}
        self.log: list[Entry] = []
        self.gate: asyncio.Event | None = None
        self.asked = 0  # questions
        self.asked_about: list[str] = []  # people whose grants were read
        self.clock = 0
        self.hub = Hub(
            EPOCH,
            Window(window),
            self._authorise,
            self._read_after,
            max_behind=max_behind,
            streams_per_person=streams,
            seats_per_turn=seats_per_turn,
            clock=lambda: self.clock,
        )

    async def _authorise(self, people: Collection[str], sessions: Collection[str]) -> Answer:
        self.asked += 1
        self.asked_about += people
        answer = Answer(
            {p: [Grant(c, "guild:1", "test") for c in self.access.get(p, ())] for p in people},
            {s: self.sessions[s] for s in sessions if s in self.sessions},
        )
        if self.gate is not None:
            await self.gate.wait()
        return answer

    async def _read_after(self, position: int, limit: int) -> list[Entry]:
        await asyncio.sleep(0)
        return [e for e in self.log if e.position > position][:limit]

    def say(self, *channels: Channel, touches: tuple[Channel, ...] = ()) -> Entry:
        """Append and dispatch one event."""
        said = entry(len(self.log) + 1, *channels, touches=touches)
        self.log.append(said)
        self.hub.dispatch([said])
        return said

    def join(
        self,
        person: str,
        after: int | str | None = None,
        *,
        session: str = "s",
        room: int = FOREVER,
    ) -> Outlet:
        """A stream of `person`; `after` is a position or a whole cursor."""
        self.sessions.setdefault(session, FOREVER)
        outlet = Outlet(self.hub, room)
        cursor = f"{EPOCH}-{after}" if isinstance(after, int) else after
        outlet.seat = self.hub.join(Caller(person, session, FOREVER), "all", outlet, cursor)
        return outlet

    async def settle(self) -> None:
        """Let everything that can happen without a new event happen."""
        for _ in range(60):
            await asyncio.sleep(0)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.hub.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
