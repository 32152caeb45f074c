"""Seeding: puts the demo's people and past into an empty database, by the road events take.

Every event of the past is a delivery: signed by a bot, checked and kept by the door's own code,
understood by the worker's. Only the log is dated back afterwards, in the same transaction, so no
reader ever sees it otherwise: elsewhere an entry's time is when it was appended, and stays that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from random import Random

from sqlalchemy import Connection, bindparam, select

from deskwire.accounts import identities, passwords, people
from deskwire.accounts.passwords import Hasher
from deskwire.demo import seed_portal
from deskwire.demo.cast import CLIENTS, LOGINS, PASSWORD, TEAM, Login
from deskwire.demo.discord_history import Told, past
from deskwire.events.log import log
from deskwire.integrations.discord.sender import envelope, headers
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.clock import DAY, HOUR, MINUTE, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.kit.ids import new_secret
from deskwire.kit.store import Store
from deskwire.tickets.files.uploads import Uploads
from deskwire.webhooks.deliveries import deliveries, keep
from deskwire.webhooks.source import Arrived, check
from deskwire.webhooks.worker import Worker

SEED = 20261122  # any number; always the same past
ACTOR = "demo"


async def seed(db: Database, hasher: Hasher, store: Store, clock: Clock = now) -> bool:
    """Make the demo's world in `db`, its files in `store`. False, and nothing done, if anybody or
    anything is in it."""
    if not await db.read(_is_empty):
        return False
    everybody = (*LOGINS, *TEAM, *CLIENTS)
    hashes = await asyncio.gather(*(hasher.hash(PASSWORD) for _ in everybody))
    uploads = Uploads(db, store, seed_portal.LIMIT)
    papers, is_done = await seed_portal.keep_papers(uploads), False
    try:
        is_done = await db.write(_settle, db, hashes, papers, clock())
    finally:
        if not is_done:
            await seed_portal.drop_papers(uploads, papers)
    return is_done


def _settle(
    tx: Connection,
    db: Database,
    hashes: Sequence[str],
    papers: Mapping[str, seed_portal.Paper],
    at: Millis,
) -> bool:
    if not _is_empty(tx):  # somebody was faster
        return False
    began, town = at - seed_portal.LENGTH - DAY, seed_portal.Town(tx, papers)
    for nth, (login, hash_) in enumerate(zip(LOGINS, hashes, strict=False)):
        _move_in(tx, login, hash_, began + nth * MINUTE)
    town.found(hashes[len(LOGINS) :], began + HOUR)
    _live(tx, db, past(Random(SEED), at), town.moments(at))  # noqa: S311  nothing secret is drawn
    return True


def _is_empty(tx: Connection) -> bool:
    return all(
        tx.execute(select(table).limit(1)).first() is None for table in (people.people, deliveries)
    )


def _move_in(tx: Connection, login: Login, hash_: str, at: Millis) -> None:
    person = people.create(tx, name=login.name, email=login.email, at=at)
    passwords.store(tx, person.id, hash_, at)
    people.change(tx, person.id, email_verified_at=at, actor=ACTOR, at=at)
    identities.link(tx, person.id, "discord", login.user.id, actor=ACTOR, at=at)


def _live(
    tx: Connection, db: Database, told: Sequence[Told], moments: Iterable[seed_portal.Moment]
) -> None:
    """Have all that happened happen, each at its own time: the worker understands what the bot
    told, delivery by delivery, and in between people do what they did in the portal."""
    secret = new_secret()  # signs this past and is forgotten
    source = BotSource([secret])
    keep(tx, [_arrived(source, secret, each) for each in told])
    clock = _Moment()
    worker = Worker(db, [source], clock)

    def understand(at: Millis) -> None:
        clock.at = at
        worker.work_off(tx, 1)

    everything: list[seed_portal.Moment] = [*moments]
    everything += [(each.at, partial(understand, each.at)) for each in told]
    for _, happen in sorted(everything, key=itemgetter(0)):
        happen()
    _date_log(tx)


def _arrived(source: BotSource, secret: str, told: Told) -> Arrived:
    body = envelope(told.type, told.data, told.at)
    sent = headers(secret, told.at, body)
    arrived = check(source, [(k.encode(), v.encode()) for k, v in sent.items()], body, told.at)
    assert isinstance(arrived, Arrived)  # we signed it ourselves
    return arrived


def _date_log(tx: Connection) -> None:
    rows = tx.execute(select(deliveries.c.id, deliveries.c.received_at))
    dates = [{"of": f"delivery:{id_}", "then": at} for id_, at in rows]
    dated = log.update().where(log.c.cause == bindparam("of")).values(at=bindparam("then"))
    tx.execute(dated, dates)


class _Moment:
    """A clock that is told the time."""

    at: Millis = 0

    def __call__(self) -> Millis:
        return self.at
