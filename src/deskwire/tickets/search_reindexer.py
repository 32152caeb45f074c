"""Read the replies of tickets again whose search entries are incomplete, for the life of a process.

Off the writer, a few replies at a time, and never with more than a fifth of a core. What a killed
process leaves incomplete, the next one finds in the index.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import perf_counter

from sqlalchemy import BigInteger, Connection, Text, bindparam, select, tuple_
from sqlalchemy.exc import OperationalError

from deskwire.kit.db import Database
from deskwire.kit.pagination import PageKey
from deskwire.kit.text import split_words
from deskwire.tickets.messages import messages
from deskwire.tickets.search_index import (
    MAX_TALK_LENGTH,
    complete_entry,
    find_incomplete_entry,
)

PAGE_SIZE = 10  # replies read at a time; ten pages each take 0.1 s to be split into words
PAUSE_RATIO = 4  # seconds of pause for each second of work
POLL_INTERVAL = 60.0  # s; also looks, in case a wake-up was lost
BEFORE_FIRST: PageKey = (-1, "")  # a key that sorts before every message
RETRY_DELAY = 5.0  # s until the next try after the database failed

logger = logging.getLogger(__name__)


class SearchReindexer:
    """Run for the life of the process; `wake` says that an entry is incomplete."""

    def __init__(self, db: Database, clock: Callable[[], float] = perf_counter) -> None:
        self._db = db
        self._clock = clock
        self._wake_event = asyncio.Event()

    def wake(self) -> None:
        """Look for incomplete entries now."""
        self._wake_event.set()

    async def run(self) -> None:
        """Complete entries until cancelled."""
        while True:
            try:
                while await self.complete_next():
                    pass
                await self._wait()
            except OperationalError as error:
                logger.error("the database failed; search entries wait: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(RETRY_DELAY)

    async def complete_next(self) -> bool:
        """Complete one entry; return False if there is none."""
        entry = await self._db.read(find_incomplete_entry)
        if entry is None:
            return False
        words: dict[str, None] = {}
        length, after = 0, BEFORE_FIRST
        while length < MAX_TALK_LENGTH:
            began = self._clock()
            last = await self._db.read(_read_words, entry.ticket_id, after, words)
            if last is None:
                break
            after = last
            length = sum(map(len, words)) + len(words)
            await asyncio.sleep(PAUSE_RATIO * (self._clock() - began))
        await self._db.write(complete_entry, entry, words)
        return True

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._wake_event.wait()
        except TimeoutError:
            return
        self._wake_event.clear()


def _read_words(
    tx: Connection, ticket_id: str, after: PageKey, words: dict[str, None]
) -> PageKey | None:
    """Add the words of the next replies to `words`. Return the last one's key; None at the end."""
    rows = tx.execute(_SELECT_PAGE, {"of": ticket_id, "at": after[0], "id": after[1]}).all()
    for row in rows:
        words.update(dict.fromkeys(split_words(row.text or "")))
    return (rows[-1].at, rows[-1].id) if rows else None


_AFTER = tuple_(bindparam("at", type_=BigInteger), bindparam("id", type_=Text))
_SELECT_PAGE = (
    select(messages.c.at, messages.c.id, messages.c.text)
    .where(
        messages.c.ticket == bindparam("of"),
        messages.c.kind == "reply",
        tuple_(messages.c.at, messages.c.id) > _AFTER,
    )
    .order_by(messages.c.at, messages.c.id)
    .limit(PAGE_SIZE)
)
