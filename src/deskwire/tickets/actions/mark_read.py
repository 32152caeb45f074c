"""Record how far a person has read a request."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select, update

from deskwire.events import channels, log
from deskwire.events.types.registry import TicketRead
from deskwire.kit.clock import Millis
from deskwire.tickets.actions.record import lock_for_update
from deskwire.tickets.tables import reads
from deskwire.workspaces.actor import Actor


def mark_read(tx: Connection, actor: Actor, ticket_id: str, at: Millis) -> None:
    """Record that the viewer has read a request up to a time (ms); an earlier time is ignored."""
    read_at = tx.execute(_SELECT_TIME, {"of": ticket_id, "by": actor.person_id}).scalar()
    if read_at is not None and read_at >= at:
        return
    if read_at is None:
        tx.execute(_INSERT_TIME, {"ticket": ticket_id, "person": actor.person_id, "at": at})
    else:
        tx.execute(_UPDATE_TIME, {"of": ticket_id, "by": actor.person_id, "until": at})
    fact = TicketRead(actor=actor.person_id, ticket=ticket_id, at=at)
    log.append(tx, fact, channels=[channels.user(actor.person_id)])


_IS_THEIRS = (reads.c.ticket == bindparam("of")) & (reads.c.person == bindparam("by"))
_SELECT_TIME = select(reads.c.at).where(_IS_THEIRS)
_INSERT_TIME = insert(reads)
_UPDATE_TIME = update(reads).where(_IS_THEIRS).values(at=bindparam("until"))


def mark_all_read(tx: Connection, actor: Actor, ticket_id: str) -> None:
    """Record that the viewer has read everything in a request so far."""
    lock_for_update(tx, actor, ticket_id)  # or two first reads at once would both insert a row
    mark_read(tx, actor, ticket_id, actor.at)
