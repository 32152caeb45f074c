"""Erase in the background what was deleted, in slices that no other writer notices.

The transaction that deletes something appends an event that demands the erasure; from then on no
reader is given what it hides (`events/redaction.py`). This service begins at the commit, and after
a kill where it was. Several erasures take turns, so that a large one delays no small one. The order
within one: the entries of the log with the deliveries behind them, the rows, the deliveries that
led to no entry, the search index, the files.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Collection, Sequence

from sqlalchemy import Connection, select

from deskwire.events.channels import is_organization
from deskwire.events.erasure import ErasedSlice, erase_entries, finish_erasure, list_erasures
from deskwire.events.log import Entry, log
from deskwire.events.redaction import REDACTIONS, Redaction
from deskwire.kit.db import Database
from deskwire.kit.store import Store
from deskwire.tickets.actions import erase as tickets
from deskwire.tickets.search_index import purge_removed_words
from deskwire.webhooks.body_erasure import (
    UNTRACED_STATES,
    Sources,
    erase_bodies,
    erase_untraced,
    find_untraced,
)
from deskwire.webhooks.source import DeletedTicket, Source
from deskwire.workspaces.organizations.erasure import erase_organization, is_organization_gone

POLL_INTERVAL = 10.0  # s; also looks, in case a wake-up was lost or an erasure failed
MAX_RUNNING = 50  # erasures that take turns; more would only finish later
SHORT_PURGE = 0.2  # s; rewriting a search index that takes no longer needs no rest afterwards
STORE_TIMEOUT = 30.0  # s for the files of one erasure; a store that hangs is asked again later
FILES_PER_SLICE = 50  # rows per transaction
DELIVERY_CAUSE = "delivery:"

logger = logging.getLogger(__name__)


class Eraser:
    """Run for the life of the process; `on_entries` says what was appended to the log."""

    def __init__(self, db: Database, store: Store, sources: Collection[Source]) -> None:
        self._db = db
        self._store = store
        self._sources = {source.name: source for source in sources}
        self._newest_traced = 0  # position up to which deletions have looked through deliveries
        self._wake_event = asyncio.Event()
        self._next_purge = 0.0  # monotonic time before which the search index is left alone

    def on_entries(self, entries: Sequence[Entry]) -> None:
        """Begin at once if one of the entries demands an erasure."""
        if any(each.type in REDACTIONS or not each.channels for each in entries):
            self._wake_event.set()

    async def run(self) -> None:
        """Erase until cancelled, beginning with what was left when a process ended."""
        has_leftovers = True
        while True:
            self._wake_event.clear()
            try:
                if has_leftovers:
                    await self._erase_leftovers()
                    has_leftovers = False
                await self.sweep()
            except Exception as error:  # the database's, or one that every store has of its own
                logger.error("erasing failed, retrying: %r", error)  # noqa: TRY400 - no traceback
            try:
                async with asyncio.timeout(POLL_INTERVAL):
                    await self._wake_event.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> None:
        """Erase everything that is demanded by now. One that fails waits for the next sweep."""
        newest, running, erased = 0, dict[int, AsyncIterator[None]](), list[Redaction]()
        failures = list[Exception]()
        while True:
            if len(running) < MAX_RUNNING:
                for each in await self._db.read(list_erasures, newest, MAX_RUNNING):
                    newest = each.position
                    running[newest] = self._erase(each, erased)
            if not running:
                break
            for position, steps in list(running.items()):
                if not await _advance(steps, failures):
                    del running[position]
        await self._erase_untraced_of(erased)
        if erased and await self._purge_words():
            failures += await self._finish(erased)
        if failures:
            logger.error("%d erasures failed, retrying: %r", len(failures), failures[0])

    async def _erase_untraced_of(self, erased: Sequence[Redaction]) -> None:
        """Empty the deliveries that led to no entry and are about tickets that were erased."""
        positions = [
            each.position
            for each in erased
            if each.position > self._newest_traced
            and each.rule is REDACTIONS["ticket.deleted"]
            and not is_organization(each.workspace or "")
        ]
        if gone := await self._db.read(_list_deleted_tickets, positions):
            await self._erase_untraced(gone)
        self._newest_traced = max([self._newest_traced, *positions])

    async def _erase_untraced(self, gone: Collection[DeletedTicket] = ()) -> None:
        for state in UNTRACED_STATES:
            last: int | None = 0
            while last is not None:
                page = await self._db.read(find_untraced, self._sources, state, last, gone)
                if page.fingerprints:
                    await self._db.write(erase_untraced, page.fingerprints)
                last = page.last

    async def _finish(self, erased: Sequence[Redaction]) -> list[Exception]:
        """Delete the files of erasures that are done otherwise; return what went wrong.

        The store comes last: one that hangs delays nothing but itself.
        """
        failures = list[Exception]()
        for redaction in erased:
            try:
                async with asyncio.timeout(STORE_TIMEOUT):
                    await self._erase_files(redaction)
            except Exception as error:
                failures.append(error)
                if isinstance(error, TimeoutError):
                    break
            else:
                await self._db.write(finish_erasure, redaction.position)
        return failures

    async def _purge_words(self) -> bool:
        """Remove what was deleted from the search index; return False if it is not time to.

        Each time rewrites the whole index. It takes at most a tenth of the time, however large the
        index and however often people edit: until then, the erasures stay unfinished.
        """
        begun = time.monotonic()
        if begun < self._next_purge:
            return False
        is_first = True
        while await self._db.write(purge_removed_words, is_first=is_first):
            is_first = False
        ended = time.monotonic()
        self._next_purge = ended + 10 * (ended - begun) if ended - begun > SHORT_PURGE else 0.0
        return True

    async def _erase(self, redaction: Redaction, erased: list[Redaction]) -> AsyncIterator[None]:
        """Erase what an event demands of the database, a slice for each step.

        Then add it to `erased`.
        """
        while not await self._db.write(_erase_entries, redaction.position, self._sources):
            yield
        if redaction.rule is REDACTIONS["ticket.deleted"]:
            while not await self._db.write(tickets.erase_ticket, redaction.ticket or ""):
                yield
        if redaction.rule is REDACTIONS["organization.deleted"]:
            async for _ in self._erase_organization(redaction):
                yield
        erased.append(redaction)

    async def _erase_organization(self, redaction: Redaction) -> AsyncIterator[None]:
        workspace = redaction.workspace
        if workspace is None or not await self._db.read(is_organization_gone, redaction.target):
            return
        last = ""
        while ids := await self._db.read(tickets.list_next_tickets, workspace, last):
            for last in ids:
                while not await self._db.write(tickets.erase_ticket, last):
                    yield
            yield
        while not await self._db.write(erase_organization, redaction.target):
            yield
        await self._db.write(tickets.clear_names_of_unsent_files, workspace)

    async def _erase_files(self, redaction: Redaction) -> None:
        if redaction.rule is REDACTIONS["ticket.file_removed"]:
            await self._delete_stored([redaction.target])
        else:
            await self._delete_files(await self._db.read(_list_files, redaction))

    async def _delete_files(self, file_ids: Sequence[str]) -> None:
        """Delete bytes, then rows: without a row, no one would know the bytes are to go."""
        for first in range(0, len(file_ids), FILES_PER_SLICE):
            some = file_ids[first : first + FILES_PER_SLICE]
            await self._delete_stored(some)
            await self._db.write(tickets.delete_file_rows, some)

    async def _delete_stored(self, file_ids: Sequence[str]) -> None:
        for id_ in file_ids:
            await self._store.delete(id_)
            await self._store.delete(f"{id_}.thumb")

    async def _erase_leftovers(self) -> None:
        """Erase tickets whose deletion is older than the log, or was never recorded."""
        while ids := await self._db.read(tickets.list_unerased_tickets):
            for ticket in ids:
                while not await self._db.write(tickets.erase_ticket, ticket):
                    pass
            await self._purge_words()  # `FileCleanup` deletes their files
        await self._erase_untraced()


async def _advance(steps: AsyncIterator[None], failures: list[Exception]) -> bool:
    """Take the next step of an erasure; return whether there may be more."""
    try:
        await anext(steps)
    except StopAsyncIteration:
        return False
    except Exception as error:
        failures.append(error)
        return False
    return True


def _list_deleted_tickets(tx: Connection, positions: Sequence[int]) -> list[DeletedTicket]:
    """List the senders' tickets that the events at these positions say were deleted."""
    query = select(log.c.workspace, log.c.ticket, log.c.data).where(log.c.position.in_(positions))
    return [
        DeletedTicket(row.workspace, sender_id)
        for row in tx.execute(query)
        if (sender_id := json.loads(row.data).get("ticketId")) is not None
        and tickets.is_ticket_gone(tx, row.ticket)
    ]


def _list_files(tx: Connection, redaction: Redaction) -> list[str]:
    """List the files of what was deleted, if it still is."""
    rule, ticket, workspace = redaction.rule, redaction.ticket or "", redaction.workspace or ""
    if rule is REDACTIONS["ticket.deleted"] and tickets.is_ticket_gone(tx, ticket):
        return tickets.list_files_of_ticket(tx, ticket)
    if rule is REDACTIONS["organization.deleted"] and is_organization_gone(tx, redaction.target):
        return tickets.list_files_of_workspace(tx, workspace)
    return []


def _erase_entries(tx: Connection, position: int, sources: Sources) -> bool:
    """Erase a slice of the log and the deliveries that led to it; return whether all is done."""
    erased: ErasedSlice = erase_entries(tx, position)
    ids = [
        int(cause.removeprefix(DELIVERY_CAUSE))
        for cause in erased.causes
        if cause.startswith(DELIVERY_CAUSE)
    ]
    if ids:
        erase_bodies(tx, ids, sources)
    return erased.is_finished
