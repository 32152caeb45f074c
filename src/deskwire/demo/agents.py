"""Make the demo's people act in the portal every few seconds, and answer a visitor's requests.

They act in the server's process, the only one that writes to the database, through the actions
that pages call.
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
from deskwire.kit.threads import DaemonThreadPool
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import IS_OPEN, IS_REQUEST, tickets
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Permission, can

ANSWERING_AGENT = "uma"
ANSWER_DELAY = 4 * SECOND  # ms from claiming a visitor's request to the answer, as if typing it
ANSWER_TEXT = """\
Hello {name}, thank you for writing. This is the demo's simulated team: no person reads this, but \
the rest is real. You did not reload this page: my claim, the new status and this answer appeared \
by themselves, and for everyone else who may see the request.

To look from the other side, sign in as `{other}` in a private window, and write something there.\
"""

logger = logging.getLogger(__name__)


class Agents:
    """Act for the life of the demo. `state_path`: the file that stores the plan."""

    def __init__(self, db: Database, state_path: Path, rng: Random, clock: Clock = now) -> None:
        self._db = db
        self._state_path = state_path
        self._clock = clock
        self._threads = DaemonThreadPool("demo", 1)
        self._planner = Planner(rng, read_plan(state_path, clock()))

    async def run(self) -> None:
        """Act until cancelled."""
        await self._threads.run(write_plan, self._state_path, self._planner.plan)
        pause = self._planner.next_pause()
        while True:
            await asyncio.sleep(pause / SECOND)
            pause = await self.make_next_move()

    async def make_next_move(self) -> Millis:
        """Make the next move; return the time until the one after it, in ms."""
        try:
            if await self._db.write(answer_visitor, self._planner.plan, self._clock()):
                return ANSWER_DELAY
        except Refusal as refusal:
            logger.info("could not answer a visitor: %s", refusal)
        await self._make_move(self._planner.next_move())
        return self._planner.next_pause()

    async def _make_move(self, move: Move) -> None:
        # Saved first: after a crash, a request that is not in the plan would pass for a visitor's.
        await self._threads.run(write_plan, self._state_path, self._planner.plan)
        try:
            await self._db.write(apply_move, move, self._clock())
        except Refusal as refusal:  # a visitor has changed permissions
            logger.info("skipped a refused move of the demo: %s", refusal)
        if move.task == DELETE_ACTION or not await self._db.read(request_exists, move.ticket):
            self._planner.forget_request(move.ticket)


def apply_move(tx: Connection, move: Move, at: Millis) -> None:
    """Create the request or act on it. A request with activity of a visitor is not deleted."""
    task = move.task
    if task == DELETE_ACTION:
        if not has_visitor_activity(tx, move.ticket):
            perform_action(tx, _removing_actor(tx, at), move.ticket, DELETE_ACTION)
    elif isinstance(task, Action):
        perform_action(tx, actor_for(tx, task.username, at), move.ticket, task)
    else:
        submit_request(tx, actor_for(tx, task.username, at), move.ticket, task)


def request_exists(tx: Connection, ticket: str) -> bool:
    """Whether a request was created and not deleted."""
    is_present = (tickets.c.id == ticket) & tickets.c.deleted_at.is_(None)
    return tx.execute(select(tickets.c.id).where(is_present)).first() is not None


def _removing_actor(tx: Connection, at: Millis) -> Actor:
    """Return Noah, or Tess if a visitor has taken his role: without either, requests pile up."""
    noah = actor_for(tx, DELETE_ACTION.username, at)
    return noah if can(noah.viewer, Permission.MODERATE) else actor_for(tx, "tess", at)


def has_visitor_activity(tx: Connection, ticket: str) -> bool:
    """Whether anyone but the simulated people has done or written something in a request."""
    emails = [
        email for username, email in EMAIL_BY_USERNAME.items() if username not in VISITOR_USERNAMES
    ]
    simulated = select(people.c.id).where(people.c.email.in_(emails))
    by_visitor = (messages.c.ticket == ticket) & messages.c.author.not_in(simulated)
    return tx.execute(select(messages.c.id).where(by_visitor).limit(1)).first() is not None


def answer_visitor(tx: Connection, plan: Plan, at: Millis) -> bool:
    """Claim a visitor's request, or answer the claimed one. Returns False if there is none."""
    actor = actor_for(tx, ANSWERING_AGENT, at)
    row = find_unanswered_request(tx, plan.began, plan.request_ids, actor.subject)
    if row is None:
        return False
    if row.assignee is None:
        perform_action(tx, actor, row.id, Action(ANSWERING_AGENT, "claim"))
        return True
    requester = read_names(tx, [row.opener])[row.opener].name
    text = ANSWER_TEXT.format(name=requester.split()[0], other=EMAIL_BY_USERNAME["tess"])
    perform_action(tx, actor, row.id, Action(ANSWERING_AGENT, "reply", text))
    return True


def find_unanswered_request(
    tx: Connection, since: Millis, own_request_ids: Collection[str], agent: str
) -> Row[Any] | None:
    """Find the oldest open request of a visitor that `agent` has not answered.

    Requests assigned to someone else are left out.
    """
    written = exists().where(
        messages.c.ticket == tickets.c.id,
        messages.c.author == agent,
        messages.c.kind != "system",
    )
    query = (
        select(tickets)
        .where(tickets.c.deleted_at.is_(None), IS_REQUEST, IS_OPEN, tickets.c.opened_at >= since)
        .where(or_(tickets.c.assignee.is_(None), tickets.c.assignee == agent))
        .where(tickets.c.id.not_in(own_request_ids), ~written)
        .order_by(tickets.c.opened_at)
        .limit(1)
    )
    return tx.execute(query).one_or_none()


def read_plan(path: Path, at: Millis) -> Plan:
    """Read the saved plan; a new one if there is no file or it cannot be read."""
    try:
        return parse_plan(path.read_text("utf-8"))
    except FileNotFoundError:
        return Plan(at)
    except (OSError, ValueError) as error:
        logger.warning("the demo's people start over, %s cannot be read: %s", path, error)
        return Plan(at)


def write_plan(path: Path, plan: Plan) -> None:
    """Save the plan atomically: a reader finds the old or the new one, never half of one."""
    new_path = path.with_name(f"{path.name}.new")
    new_path.write_text(plan.to_json(), "utf-8")
    new_path.replace(path)
