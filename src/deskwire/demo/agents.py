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
from deskwire.demo.actions import EMAIL_BY_USERNAME, actor_for, perform_action, submit_request
from deskwire.demo.cast import VISITOR_USERNAMES
from deskwire.demo.planner import DELETE_ACTION, Move, Plan, Planner, parse_plan
from deskwire.demo.tickets import Action
from deskwire.kit.clock import SECOND, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.kit.errors import Refusal
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import IS_OPEN, IS_REQUEST, tickets
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Permission, can

ANSWERING_AGENT = "uma"
ANSWER_DELAY = 4 * SECOND  # from taking a visitor's request on to the answer; somebody is typing
ANSWER_TEXT = """\
Hello {name}, thank you for writing. This is the demo's simulated team: nobody reads along, but \
the rest is real. You did not load this page again: that I took your request on, its new status \
and this answer came by themselves, and to everybody else who may see it.

To look from the other side, sign in as `{other}` in a private window, and write something there.\
"""

logger = logging.getLogger(__name__)


class Agents:
    """Runs for the life of the demo. `path`: the file that remembers how far they are."""

    def __init__(self, db: Database, state_path: Path, rng: Random, clock: Clock = now) -> None:
        self._db = db
        self._state_path = state_path
        self._clock = clock
        self._planner = Planner(rng, read_plan(state_path, clock()))

    async def run(self) -> None:
        """Work until cancelled."""
        await asyncio.to_thread(write_plan, self._state_path, self._planner.plan)
        pause = self._planner.next_pause()
        while True:
            await asyncio.sleep(pause / SECOND)
            pause = await self.make_next_move()

    async def make_next_move(self) -> Millis:
        """Make the next move; how long until the one after it."""
        try:
            if await self._db.write(answer_visitor, self._planner.plan, self._clock()):
                return ANSWER_DELAY
        except Refusal as refusal:
            logger.info("a visitor is not answered: %s", refusal)
        await self._make_move(self._planner.next_move())
        return self._planner.next_pause()

    async def _make_move(self, move: Move) -> None:
        office = self._planner
        # First, or what was filed just before a crash would belong to nobody.
        await asyncio.to_thread(write_plan, self._state_path, office.plan)
        try:
            await self._db.write(apply_move, move, self._clock())
        except Refusal as refusal:  # a visitor has changed who may do what
            logger.info("the demo leaves out what is refused: %s", refusal)
        if move.task == DELETE_ACTION or not await self._db.read(request_exists, move.ticket):
            office.forget_request(move.ticket)


def apply_move(tx: Connection, move: Move, at: Millis) -> None:
    """File a request, or do something in one. What a visitor has a part in is not removed."""
    what = move.task
    if what == DELETE_ACTION:
        if not has_visitor_activity(tx, move.ticket):
            perform_action(tx, _removing_actor(tx, at), move.ticket, DELETE_ACTION)
    elif isinstance(what, Action):
        perform_action(tx, actor_for(tx, what.username, at), move.ticket, what)
    else:
        submit_request(tx, actor_for(tx, what.username, at), move.ticket, what)


def request_exists(tx: Connection, ticket: str) -> bool:
    """Whether a request was filed and not deleted."""
    here = (tickets.c.id == ticket) & tickets.c.deleted_at.is_(None)
    return tx.execute(select(tickets.c.id).where(here)).first() is not None


def _removing_actor(tx: Connection, at: Millis) -> Actor:
    """Tess only where a visitor has taken Noah's role: somebody must, or requests would pile up."""
    noah = actor_for(tx, DELETE_ACTION.username, at)
    return noah if can(noah.viewer, Permission.MODERATE) else actor_for(tx, "tess", at)


def has_visitor_activity(tx: Connection, ticket: str) -> bool:
    """Whether anybody but those who act here has done or written something in a request."""
    ours = [address for who, address in EMAIL_BY_USERNAME.items() if who not in VISITOR_USERNAMES]
    known = select(people.c.id).where(people.c.email.in_(ours))
    theirs = (messages.c.ticket == ticket) & messages.c.author.not_in(known)
    return tx.execute(select(messages.c.id).where(theirs).limit(1)).first() is not None


def answer_visitor(tx: Connection, plan: Plan, at: Millis) -> bool:
    """Take a visitor's request on, or answer it once that is done. False if there is none."""
    deed = actor_for(tx, ANSWERING_AGENT, at)
    row = find_unanswered_request(tx, plan.began, plan.request_ids, deed.person_id)
    if row is None:
        return False
    if row.assignee is None:
        perform_action(tx, deed, row.id, Action(ANSWERING_AGENT, "claim"))
        return True
    asker = read_names(tx, [row.opener])[row.opener].name
    text = ANSWER_TEXT.format(name=asker.split()[0], other=EMAIL_BY_USERNAME["tess"])
    perform_action(tx, deed, row.id, Action(ANSWERING_AGENT, "reply", text))
    return True


def find_unanswered_request(
    tx: Connection, since: Millis, own_request_ids: Collection[str], agent: str
) -> Row[Any] | None:
    """The oldest open request that others have filed, where `answerer` has written nothing yet and
    nobody else has taken it on."""
    written = exists().where(
        messages.c.ticket == tickets.c.id,
        messages.c.author == agent,
        messages.c.kind != "system",
    )
    waiting = (
        select(tickets)
        .where(tickets.c.deleted_at.is_(None), IS_REQUEST, IS_OPEN, tickets.c.opened_at >= since)
        .where(or_(tickets.c.assignee.is_(None), tickets.c.assignee == agent))
        .where(tickets.c.id.not_in(own_request_ids), ~written)
        .order_by(tickets.c.opened_at)
        .limit(1)
    )
    return tx.execute(waiting).one_or_none()


def read_plan(path: Path, at: Millis) -> Plan:
    """What the file remembers; a new beginning where there is none or it cannot be read."""
    try:
        return parse_plan(path.read_text("utf-8"))
    except FileNotFoundError:
        return Plan(at)
    except (OSError, ValueError) as error:
        logger.warning("the demo's people begin anew, %s cannot be read: %s", path, error)
        return Plan(at)


def write_plan(path: Path, plan: Plan) -> None:
    """Keep `diary` in the file; whoever reads it finds the old or the new one, never half."""
    half = path.with_name(f"{path.name}.new")
    half.write_text(plan.to_json(), "utf-8")
    half.replace(path)
