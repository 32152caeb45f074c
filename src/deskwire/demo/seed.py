"""Seed an empty database with the demo's people and history, through the code live events take.

Every event of the history is a delivery: signed like a bot's, verified and stored by the door's
code, applied by the worker's. Only the log is backdated afterwards, in the same transaction, so no
reader sees it otherwise. Elsewhere the time of a log entry is when it was appended, and never
changes.
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

SEED = 20261122  # any number; the history is always the same
ACTOR = "demo"


async def seed_demo(db: Database, hasher: Hasher, store: Store, clock: Clock = now) -> bool:
    """Seed `db` and the files in `store`. Does nothing and returns False unless `db` is empty."""
    if not await db.read(_is_empty):
        return False
    logins = (*DISCORD_LOGINS, *TEAM, *CLIENTS)
    hashes = await asyncio.gather(*(hasher.hash(PASSWORD) for _ in logins))
    uploads = Uploads(db, store, seed_portal.MAX_FILE_BYTES)
    attachments, is_done = await seed_portal.store_attachments(uploads), False
    try:
        is_done = await db.write(_seed_all, db, hashes, attachments, clock())
    finally:
        if not is_done:
            await seed_portal.drop_attachments(uploads, attachments)
    return is_done


def _seed_all(
    tx: Connection,
    db: Database,
    hashes: Sequence[str],
    attachments: Mapping[str, seed_portal.AttachmentRow],
    at: Millis,
) -> bool:
    if not _is_empty(tx):  # another process was faster
        return False
    began = at - seed_portal.HISTORY_LENGTH - DAY
    portal = seed_portal.PortalSeeder(tx, attachments)
    for nth, (login, hash_) in enumerate(zip(DISCORD_LOGINS, hashes, strict=False)):
        _create_account(tx, login, hash_, began + nth * MINUTE)
    portal.create_accounts(hashes[len(DISCORD_LOGINS) :], began + HOUR)
    events = build_history(Random(SEED), at)  # noqa: S311  nothing secret is drawn
    _replay_history(tx, db, events, portal.iter_history(at))
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
    """Apply the history in order of time: the bot's deliveries, and the calls of the portal."""
    secret = new_secret()  # signs this history and is discarded
    source = BotSource([secret])
    store_deliveries(tx, [_sign_delivery(source, secret, each) for each in events])
    clock = _SettableClock()
    worker = Worker(db, [source], clock)

    def apply_delivery(at: Millis) -> None:
        clock.at = at
        worker.apply_pending(tx, 1)

    calls: list[seed_portal.ScheduledCall] = [*portal_calls]
    calls += [(each.sent_at, partial(apply_delivery, each.sent_at)) for each in events]
    for _, call in sorted(calls, key=itemgetter(0)):
        call()
    _backdate_log(tx)


def _sign_delivery(source: BotSource, secret: str, event: SentEvent) -> IncomingDelivery:
    body = build_envelope(event.type, event.data, event.sent_at)
    headers = build_headers(secret, event.sent_at, body)
    delivery = verify_request(
        source, [(k.encode(), v.encode()) for k, v in headers.items()], body, event.sent_at
    )
    assert isinstance(delivery, IncomingDelivery)  # we signed it ourselves
    return delivery


def _backdate_log(tx: Connection) -> None:
    rows = tx.execute(select(deliveries.c.id, deliveries.c.received_at))
    dates = [{"of": f"delivery:{id_}", "then": at} for id_, at in rows]
    backdate = log.update().where(log.c.cause == bindparam("of")).values(at=bindparam("then"))
    tx.execute(backdate, dates)


class _SettableClock:
    """A clock that shows the time it was set to."""

    at: Millis = 0

    def __call__(self) -> Millis:
        return self.at
