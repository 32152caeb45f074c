"""The demo's people at work: something happens in the portal every few seconds, and what a visitor
asks for is taken on and answered.

They act in the demo's own process, which alone writes to its database, by the actions pages call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, Row, exists, or_, select

from deskwire.accounts.people import people
from deskwire.demo.actions import ADDRESSES, deed_of, file_matter, perform
from deskwire.demo.cast import VISITORS
from deskwire.demo.planner import REMOVAL, Diary, Move, Office, parse_diary
from deskwire.demo.tickets import Act
from deskwire.kit.clock import SECOND, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.kit.errors import Refusal
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import OPEN, REQUESTS, tickets
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Right, may

ANSWERER = "uma"
ANSWERING = 4 * SECOND  # from taking a visitor's request on to the answer; somebody is typing
ANSWER = """\
Hello {name}, thank you for writing. This is the demo's simulated team: nobody reads along, but \
the rest is real. You did not load this page again: that I took your request on, its new status \
and this answer came by themselves, and to everybody else who may see it.

To look from the other side, sign in as `{other}` in a private window, and write something there.\
"""

logger = logging.getLogger(__name__)


class Clerks:
    """Runs for the life of the demo. `path`: the file that remembers how far they are."""

    def __init__(self, db: Database, path: Path, rng: Random, clock: Clock = now) -> None:
        self._db = db
        self._path = path
        self._clock = clock
        self._office = Office(rng, read_diary(path, clock()))

    async def run(self) -> None:
        """Work until cancelled."""
        await asyncio.to_thread(write_diary, self._path, self._office.diary)
        pause = self._office.pause()
        while True:
            await asyncio.sleep(pause / SECOND)
            pause = await self.work()

    async def work(self) -> Millis:
        """Make the next move; how long until the one after it."""
        try:
            if await self._db.write(answer_visitor, self._office.diary, self._clock()):
                return ANSWERING
        except Refusal as refusal:
            logger.info("a visitor is not answered: %s", refusal)
        await self._move(self._office.next())
        return self._office.pause()

    async def _move(self, move: Move) -> None:
        office = self._office
        # First, or what was filed just before a crash would belong to nobody.
        await asyncio.to_thread(write_diary, self._path, office.diary)
        try:
            await self._db.write(make_move, move, self._clock())
        except Refusal as refusal:  # a visitor has changed who may do what
            logger.info("the demo leaves out what is refused: %s", refusal)
        if move.what == REMOVAL or not await self._db.read(is_there, move.ticket):
            office.forget(move.ticket)


def make_move(tx: Connection, move: Move, at: Millis) -> None:
    """File a request, or do something in one. What a visitor has a part in is not removed."""
    what = move.what
    if what == REMOVAL:
        if not is_visited(tx, move.ticket):
            perform(tx, _remover(tx, at), move.ticket, REMOVAL)
    elif isinstance(what, Act):
        perform(tx, deed_of(tx, what.who, at), move.ticket, what)
    else:
        file_matter(tx, deed_of(tx, what.who, at), move.ticket, what)


def is_there(tx: Connection, ticket: str) -> bool:
    """Whether a request was filed and not deleted."""
    here = (tickets.c.id == ticket) & tickets.c.deleted_at.is_(None)
    return tx.execute(select(tickets.c.id).where(here)).first() is not None


def _remover(tx: Connection, at: Millis) -> Deed:
    """Tess only where a visitor has taken Noah's role: somebody must, or requests would pile up."""
    noah = deed_of(tx, REMOVAL.who, at)
    return noah if may(noah.viewer, Right.MODERATE) else deed_of(tx, "tess", at)


def is_visited(tx: Connection, ticket: str) -> bool:
    """Whether anybody but those who act here has done or written something in a request."""
    ours = [address for who, address in ADDRESSES.items() if who not in VISITORS]
    known = select(people.c.id).where(people.c.email.in_(ours))
    theirs = (messages.c.ticket == ticket) & messages.c.author.not_in(known)
    return tx.execute(select(messages.c.id).where(theirs).limit(1)).first() is not None


def answer_visitor(tx: Connection, diary: Diary, at: Millis) -> bool:
    """Take a visitor's request on, or answer it once that is done. False if there is none."""
    deed = deed_of(tx, ANSWERER, at)
    row = find_unanswered(tx, diary.began, diary.own, deed.person)
    if row is None:
        return False
    if row.assignee is None:
        perform(tx, deed, row.id, Act(ANSWERER, "claim"))
        return True
    asker = read_names(tx, [row.opener])[row.opener].name
    text = ANSWER.format(name=asker.split()[0], other=ADDRESSES["tess"])
    perform(tx, deed, row.id, Act(ANSWERER, "reply", text))
    return True


def find_unanswered(
    tx: Connection, since: Millis, own: Collection[str], answerer: str
) -> Row[Any] | None:
    """The oldest open request that others have filed, where `answerer` has written nothing yet and
    nobody else has taken it on."""
    written = exists().where(
        messages.c.ticket == tickets.c.id,
        messages.c.author == answerer,
        messages.c.kind != "system",
    )
    waiting = (
        select(tickets)
        .where(tickets.c.deleted_at.is_(None), REQUESTS, OPEN, tickets.c.opened_at >= since)
        .where(or_(tickets.c.assignee.is_(None), tickets.c.assignee == answerer))
        .where(tickets.c.id.not_in(own), ~written)
        .order_by(tickets.c.opened_at)
        .limit(1)
    )
    return tx.execute(waiting).one_or_none()


def read_diary(path: Path, at: Millis) -> Diary:
    """What the file remembers; a new beginning where there is none or it cannot be read."""
    try:
        return parse_diary(path.read_text("utf-8"))
    except FileNotFoundError:
        return Diary(at)
    except (OSError, ValueError) as error:
        logger.warning("the demo's people begin anew, %s cannot be read: %s", path, error)
        return Diary(at)


def write_diary(path: Path, diary: Diary) -> None:
    """Keep `diary` in the file; whoever reads it finds the old or the new one, never half."""
    half = path.with_name(f"{path.name}.new")
    half.write_text(diary.to_json(), "utf-8")
    half.replace(path)
