"""Everybody of the cast at an open stream, while things happen and when they come back later."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from deskwire.accounts import sessions
from deskwire.events import log
from deskwire.kit.clock import now
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Caller
from deskwire.server.control import Lock
from deskwire.server.services import Opened, running
from deskwire.settings import load
from tests.cast import CAST, Actor, House
from tests.databases import file_of
from tests.unit.fakes import FOREVER, Outlet


@dataclass
class Crowd:
    """What each of the cast heard, by the positions in the log."""

    house: House
    positions: dict[str, int] = field(default_factory=dict)  # of each thing that happened
    live: dict[Actor, set[int]] = field(default_factory=dict)
    replayed: dict[Actor, set[int]] = field(default_factory=dict)

    def note(self, thing: str) -> None:
        """What was just written is `thing`."""
        self.positions[thing] = self.house.db.read_here(log.read_head)

    def heard(self, actor: Actor, thing: str, way: str) -> bool:
        """Whether an actor heard of `thing`: `live`, or else when they came back."""
        return self.positions[thing] in (self.live if way == "live" else self.replayed)[actor]

    async def listen(self, happen: Callable[[], None]) -> None:
        """Let things happen before open streams, and `note` them; then have everybody come back."""
        callers = {actor: self._sign_in(actor) for actor in CAST}
        async with self._hub() as hub:
            outlets = {actor: _join(hub, caller, None) for actor, caller in callers.items()}
            await _settled(hub)
            happen()
            await _settled(hub, max(self.positions.values()))
            self.live = {actor: _positions(outlet) for actor, outlet in outlets.items()}
            start = f"{hub.epoch}-0"  # from before anybody lost anything
            again = {actor: _join(hub, caller, start) for actor, caller in callers.items()}
            await _settled(hub)
            self.replayed = {actor: _positions(outlet) for actor, outlet in again.items()}

    def _sign_in(self, actor: Actor) -> Caller:
        person = self.house.id_of(actor)

        def begin(tx: Connection) -> str:
            opened = sessions.begin(tx, person, user_agent="", address=None, at=now())
            return opened.session.id

        return Caller(person, self.house.db.write_here(begin), FOREVER)

    @asynccontextmanager
    async def _hub(self) -> AsyncIterator[Hub]:
        db = self.house.db
        settings = load({"database_url": f"sqlite:///{file_of(db)}"})
        async with running(settings, Opened(db, Lock(file_of(db))), []) as services:
            yield services.hub


def _join(hub: Hub, caller: Caller, after: str | None) -> Outlet:
    outlet = Outlet(hub)
    outlet.seat = hub.join(caller, "all", outlet, after)
    return outlet


async def _settled(hub: Hub, position: int = 0) -> None:
    async with asyncio.timeout(20):
        while hub.window.head < position or not all(seat.live for seat in hub.seats):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def _positions(outlet: Outlet) -> set[int]:
    """The positions of the events that were written (the first frame is none)."""
    found = re.findall(rb'^id: \w+-(\d+)\ndata: {"type":"(?!connected)', outlet.data, re.MULTILINE)
    return {int(each) for each in found}
