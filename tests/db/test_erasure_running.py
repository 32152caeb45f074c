"""Test that a running desk erases by itself what was deleted, deliveries included."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from deskwire.events.log import log, read_after
from deskwire.kit.db import Database
from deskwire.tickets.tables import tickets
from deskwire.webhooks.deliveries import deliveries
from tests.fixtures.erasure import find_marker
from tests.fixtures.running_desk import RunningDesk, open_running_desk

GUILD, BO = "800000000000000001", "900000000000000002"
TICKET: dict[str, Any] = {"guildId": GUILD, "ticketId": 1001, "ticketNumber": 1}
MARKER = "zauberkran"
OPENED: dict[str, Any] = {
    **TICKET,
    "subject": f"About {MARKER}",
    "openerId": BO,
    "openerUsername": "bo",
}
SENT: dict[str, Any] = {
    **TICKET,
    "authorId": BO,
    "authorUsername": "bo",
    "messageType": "customer",
    "hasAttachments": False,
    "messageLength": len(MARKER),
    "content": MARKER,
}


async def wait_until_erased(db: Database) -> None:
    """Wait until no table contains the marker."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(find_marker, db, MARKER):  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.05)


async def post_ticket(desk: RunningDesk) -> None:
    await desk.post_event("ticket.created", **OPENED)
    for number in range(3):
        await desk.post_event("ticket.message_sent", **SENT, messageId=f"80000000000000007{number}")


async def test_a_ticket_deleted_by_the_bot_is_erased_with_its_deliveries(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        assert "deliveries.body" in find_marker(desk.db, MARKER)

        await desk.post_event("ticket.deleted", **TICKET, deletedBy=BO, reason=f"No {MARKER}")

        entries = await desk.db.read(read_after, 0, 100)
        assert MARKER.encode() not in b"".join(each.frame for each in entries[:-1])
        await wait_until_erased(desk.db)
        query = select(deliveries.c.state, deliveries.c.digest, deliveries.c.fingerprint)
        rows = await desk.db.read(lambda tx: tx.execute(query).all())
        assert {row.state for row in rows} == {"done"}
        assert all(row.digest and row.fingerprint for row in rows)


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE messages SET text = 'Never mind' WHERE text = '{MARKER}'",
        f"DELETE FROM messages WHERE text = '{MARKER}'",
    ],
    ids=["edited", "removed"],
)
async def test_the_delivery_behind_a_message_edited_or_removed_with_sql_is_erased(
    tmp_path: Path, statement: str
) -> None:
    async with open_running_desk(tmp_path) as desk:
        await desk.post_event("ticket.created", **{**OPENED, "subject": "The crane"})
        for number, content in enumerate(("It is dark", MARKER, "Still")):
            sent = {**SENT, "content": content, "messageId": f"80000000000000007{number}"}
            await desk.post_event("ticket.message_sent", **sent)
        assert "deliveries.body" in find_marker(desk.db, MARKER)

        await desk.edit_database(statement)

        await wait_until_erased(desk.db)
        query = select(deliveries.c.body, deliveries.c.digest, deliveries.c.fingerprint)
        rows = await desk.db.read(lambda tx: tx.execute(query.order_by(deliveries.c.id)).all())
        assert [bool(row.body) for row in rows] == [True, True, False, True]
        assert rows[2].digest
        assert rows[2].fingerprint


async def test_late_deliveries_of_a_deleted_ticket_are_erased(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        await desk.post_event("ticket.deleted", **TICKET, deletedBy=BO)
        await wait_until_erased(desk.db)

        await desk.post_event("ticket.message_sent", **SENT, messageId="800000000000000099")
        changes = {"subject": {"old": MARKER, "new": f"{MARKER}!"}}
        await desk.post_event("ticket.updated", **TICKET, changes=changes, actorId=BO)

        await wait_until_erased(desk.db)
        deleted_at = await desk.db.read(
            lambda tx: tx.execute(select(tickets.c.deleted_at)).scalar()
        )
        assert deleted_at is not None


async def test_a_repeated_delivery_is_recognized_after_its_body_was_erased(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        await desk.post_event("ticket.deleted", **TICKET, deletedBy=BO)
        await wait_until_erased(desk.db)

        desk._posted = 0  # the bot sends its first event again, signed again, with the same id
        await desk.post_event("ticket.created", **OPENED)

        states = select(deliveries.c.state).order_by(deliveries.c.id)
        newest = await desk.db.read(lambda tx: tx.execute(states).scalars().all())
        assert newest[-1] == "repeat"


async def test_a_restart_erases_tickets_whose_deletion_was_trimmed_from_the_log(
    tmp_path: Path,
) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        silent = update(tickets).values(deleted_at=5, revision=tickets.c.revision + 1)
        await desk.db.write(lambda tx: tx.execute(silent))
        await desk.db.write(lambda tx: tx.execute(log.delete()))
        url = desk.url

    async with open_running_desk(tmp_path, url) as desk:
        async with asyncio.timeout(60):
            # The log alone knew which deliveries led to it.
            while set(find_marker(desk.db, MARKER)) - {"deliveries.body"}:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
