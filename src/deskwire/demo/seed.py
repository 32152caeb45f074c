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
from deskwire.demo.cast import CLIENTS, DISCORD_LOGINS, PASSWORD, TEAM, DiscordLogin
from deskwire.demo.discord_history import SentEvent, build_history
from deskwire.events.log import log
from deskwire.integrations.discord.sender import build_envelope, build_headers
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.clock import DAY, HOUR, MINUTE, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.kit.ids import new_secret
from deskwire.kit.store import Store
from deskwire.tickets.files.uploads import Uploads
from deskwire.webhooks.deliveries import deliveries, store_deliveries
from deskwire.webhooks.source import IncomingDelivery, verify_request
from deskwire.webhooks.worker import Worker

SEED = 20261122  # any number; always the same past
ACTOR = "demo"


async def seed_demo(db: Database, hasher: Hasher, store: Store, clock: Clock = now) -> bool:
    """Make the demo's world in `db`, its files in `store`. False, and nothing done, if anybody or
    anything is in it."""
    if not await db.read(_is_empty):
        return False
    everybody = (*DISCORD_LOGINS, *TEAM, *CLIENTS)
    hashes = await asyncio.gather(*(hasher.hash(PASSWORD) for _ in everybody))
    uploads = Uploads(db, store, seed_portal.MAX_FILE_BYTES)
    papers, is_done = await seed_portal.store_attachments(uploads), False
    try:
        is_done = await db.write(_seed_all, db, hashes, papers, clock())
    finally:
        if not is_done:
            await seed_portal.drop_attachments(uploads, papers)
    return is_done


def _seed_all(
    tx: Connection,
    db: Database,
    hashes: Sequence[str],
    attachments: Mapping[str, seed_portal.AttachmentRow],
    at: Millis,
) -> bool:
    if not _is_empty(tx):  # somebody was faster
        return False
    began, town = at - seed_portal.HISTORY_LENGTH - DAY, seed_portal.PortalSeeder(tx, attachments)
    for nth, (login, hash_) in enumerate(zip(DISCORD_LOGINS, hashes, strict=False)):
        _create_account(tx, login, hash_, began + nth * MINUTE)
    town.create_accounts(hashes[len(DISCORD_LOGINS) :], began + HOUR)
    _replay_history(tx, db, build_history(Random(SEED), at), town.iter_history(at))  # noqa: S311  nothing secret is drawn
    return True


def _is_empty(tx: Connection) -> bool:
    return all(
        tx.execute(select(table).limit(1)).first() is None for table in (people.people, deliveries)
    )


def _create_account(tx: Connection, login: DiscordLogin, hash_: str, at: Millis) -> None:
    person = people.create(tx, name=login.name, email=login.email, at=at)
    passwords.store_hash(tx, person.id, hash_, at)
    people.update_person_row(tx, person.id, email_verified_at=at, actor_id=ACTOR, at=at)
    identities.link(tx, person.id, "discord", login.discord_user.id, actor_id=ACTOR, at=at)


def _replay_history(
    tx: Connection,
    db: Database,
    events: Sequence[SentEvent],
    portal_calls: Iterable[seed_portal.ScheduledCall],
) -> None:
    """Have all that happened happen, each at its own time: the worker understands what the bot
    told, delivery by delivery, and in between people do what they did in the portal."""
    secret = new_secret()  # signs this past and is forgotten
    source = BotSource([secret])
    store_deliveries(tx, [_sign_delivery(source, secret, each) for each in events])
    clock = _SettableClock()
    worker = Worker(db, [source], clock)

    def understand(at: Millis) -> None:
        clock.at = at
        worker.apply_pending(tx, 1)

    everything: list[seed_portal.ScheduledCall] = [*portal_calls]
    everything += [(each.sent_at, partial(understand, each.sent_at)) for each in events]
    for _, happen in sorted(everything, key=itemgetter(0)):
        happen()
    _backdate_log(tx)


def _sign_delivery(source: BotSource, secret: str, event: SentEvent) -> IncomingDelivery:
    body = build_envelope(event.type, event.data, event.sent_at)
    sent = build_headers(secret, event.sent_at, body)
    arrived = verify_request(
        source, [(k.encode(), v.encode()) for k, v in sent.items()], body, event.sent_at
    )
    assert isinstance(arrived, IncomingDelivery)  # we signed it ourselves
    return arrived


def _backdate_log(tx: Connection) -> None:
    rows = tx.execute(select(deliveries.c.id, deliveries.c.received_at))
    dates = [{"of": f"delivery:{id_}", "then": at} for id_, at in rows]
    dated = log.update().where(log.c.cause == bindparam("of")).values(at=bindparam("then"))
    tx.execute(dated, dates)


class _SettableClock:
    """A clock that is told the time."""

    at: Millis = 0

    def __call__(self) -> Millis:
        return self.at
