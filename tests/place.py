"""A place of its own on a shared server: a guild and a cast that no other test knows."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests import sse
from tests.cast import ADA, BO, DEE, MO, Actor, Bot
from tests.server import Server

_numbers = count(1)


class Place(Bot):
    """A Discord server on `server` that no other test knows, with a cast of its own.

    Ada, Bo, Dee and Mo are as everywhere (Mo owns it), but nobody holds anything yet.
    """

    def __init__(self, server: Server) -> None:
        number = next(_numbers)
        self.server = server
        self.guild = str(710_000_000_000_000_000 + number)
        self.workspace = f"guild:{self.guild}"
        self.ada, self.bo, self.dee, self.mo = (_twin(each, number) for each in (ADA, BO, DEE, MO))
        self.name = f"Harbour {number}"
        self.open_guild(self.guild, self.name, self.mo)

    def tell(self, type_: str, **data: Any) -> None:
        """Post an event, and wait until it is in the log: a yes only means that it is kept."""
        self.told += 1
        mark = self.server.log.mark
        self.server.tell(type_, **{**data, "guildId": self.guild})
        self.server.log.wait_for(rf"Broadcasting .*\({type_} → .*{self.guild}", after=mark)

    def listen(
        self, cookie: str, path: str = "/api/events", last_event_id: str | None = None
    ) -> sse.Stream:
        """A stream that has had its first frame."""
        stream = sse.connect(self.server.port, path, cookie, last_event_id)
        assert stream.status == 200
        assert stream.next().type == "connected"
        return stream

    def staff(self) -> str:
        """Ada moves in and sees every ticket here; her cookie."""
        cookie = self.server.move_in(self.ada)
        self.assign(self.ada)
        return cookie


def _twin(actor: Actor, number: int) -> Actor:
    first, last = actor.name.split()
    return Actor(f"{first}{number} {last}", str(int(actor.discord) + 1000 * number))
