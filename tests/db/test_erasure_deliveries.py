"""Test that a deleted ticket leaves no text in deliveries that led to no entry of the log."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from deskwire.integrations.discord.deleted_tickets import find_ticket_keys
from deskwire.integrations.discord.source import BotSource, parse_envelope
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.errors import Conflict
from deskwire.kit.store import DiskStore
from deskwire.server import erasure
from deskwire.server.erasure import Eraser
from deskwire.webhooks.deliveries import deliveries, replay
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.erasure import find_marker
from tests.fixtures.running_desk import RunningDesk, open_running_desk

GUILD, BO, MARKER = "800000000000000001", "900000000000000002", "zauberkran"
TICKET: dict[str, Any] = {"guildId": GUILD, "ticketId": 1001, "ticketNumber": 7}
OTHER: dict[str, Any] = {"guildId": GUILD, "ticketId": 1002, "ticketNumber": 8}
SENT: dict[str, Any] = {
    "messageId": "800000000000000070",
    "authorId": BO,
    "authorUsername": "bo",
    "messageType": "customer",
    "hasAttachments": False,
    "messageLength": len(MARKER),
    "content": MARKER,
}


def build_body(type_: Any, id_: Any = None, /, **data: Any) -> bytes:
    return json.dumps(
        {"event": {"type": type_, "data": data}, "timestamp": "-", "id": id_}
    ).encode()


NUMBERED = {"guildId": GUILD, "ticketNumber": 7}
UNTRACED = {  # bodies about the ticket that cannot be applied
    "an unknown event": build_body("ticket.renamed", **TICKET, name=MARKER),
    "no event of a ticket": build_body("thread.renamed", **TICKET, name=MARKER),
    "its id as text": build_body("ticket.message_sent", **SENT, **TICKET | {"ticketId": "1001"}),
    "its id elsewhere": build_body("ticket.renamed", guildId=GUILD, id=1001, name=MARKER),
    "its number alone": build_body("ticket.renamed", **NUMBERED, name=MARKER),
    "its server elsewhere": build_body("ticket.renamed", ticketId=1001, g=GUILD, name=MARKER),
    "a list": build_body("ticket.renamed", **TICKET)
    .replace(b'{"guildId"', b'["' + MARKER.encode() + b'", {"guildId"')
    .replace(b"}}", b"}]}"),
    "no JSON": f'{{"event": "{MARKER}", {GUILD}, "ticketId": 1001'.encode(),
    "no envelope": json.dumps(TICKET | {"content": MARKER}).encode(),
}
STAY = {  # bodies about something else, with the same numbers in them
    "another ticket": build_body("ticket.renamed", **OTHER, name=f"{MARKER} 1001"),
    "another server": build_body("ticket.renamed", **TICKET | {"guildId": "5"}, name=MARKER),
    "the server": build_body("guild.joined", guildId=GUILD, guildName=MARKER, memberCount="1001"),
    "a part of a number": build_body("ticket.renamed", guildId=GUILD, id=11001, name=MARKER),
}


async def store_body(desk: RunningDesk, body: bytes) -> int:
    """Store a body as the door does, and wait until it is processed; return the delivery's id."""
    desk.clock = max(desk.clock + 1, now())
    problem = parse_envelope(body)[1]
    digest = hashlib.sha256(body).hexdigest()
    delivery = IncomingDelivery("bot", digest, None, None, desk.clock, now(), body, problem)
    await desk.services.intake.store(delivery)
    await desk.wait_until_idle()
    newest = select(deliveries.c.id).order_by(deliveries.c.id.desc()).limit(1)
    return await desk.db.read(lambda tx: int(tx.execute(newest).scalar_one()))


async def post_ticket(desk: RunningDesk) -> None:
    opened: dict[str, Any] = {"subject": "The mast", "openerId": BO, "openerUsername": "bo"}
    await desk.post_event("ticket.created", **TICKET, **opened)
    await desk.post_event("ticket.created", **OTHER, **opened)


async def delete_ticket(desk: RunningDesk) -> None:
    await desk.post_event("ticket.deleted", **TICKET, deletedBy=BO)


async def wait_until_erased(db: Database) -> None:
    async with asyncio.timeout(60):
        while await asyncio.to_thread(find_marker, db, MARKER):  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("way", ["deleted", "removed with SQL", "dismissed, then deleted"])
async def test_what_could_not_be_applied_is_erased_with_its_ticket(
    tmp_path: Path, way: str
) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        ids = [await store_body(desk, body) for body in UNTRACED.values()]
        assert "deliveries.body" in await asyncio.to_thread(find_marker, desk.db, MARKER)
        states = select(deliveries.c.state).where(deliveries.c.id.in_(ids))
        assert {*await desk.db.read(lambda tx: tx.execute(states).scalars().all())} == {
            "parked",
            "refused",
        }

        if way == "removed with SQL":
            # Nothing knows the number of a row that is gone.
            await desk.edit_database(f"DELETE FROM deliveries WHERE id = {ids[4]}")
            await desk.edit_database("DELETE FROM tickets WHERE sender_id = 1001")
        else:
            if way.startswith("dismissed"):
                await desk.edit_database(
                    "UPDATE deliveries SET state = 'dismissed' WHERE state = 'parked'"
                )
            await delete_ticket(desk)

        await wait_until_erased(desk.db)
        if way == "deleted":
            with pytest.raises(Conflict, match="erased"):
                await desk.db.write(replay, ids[0])


async def test_what_arrives_after_the_deletion_and_cannot_be_applied_does_not_stay(
    tmp_path: Path,
) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        await delete_ticket(desk)
        for body in UNTRACED.values():
            if parse_envelope(body)[1] is None:
                await store_body(desk, body)

        assert await asyncio.to_thread(find_marker, desk.db, MARKER) == []

        for body in UNTRACED.values():
            await store_body(desk, body)
        url = desk.url
    async with open_running_desk(tmp_path, url) as desk:
        await wait_until_erased(desk.db)  # what was refused, at the next start


@pytest.mark.parametrize("has_new_id", [False, True])
async def test_a_repetition_keeps_no_body(tmp_path: Path, has_new_id: bool) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        first = desk._posted
        await desk.post_event("ticket.message_sent", **TICKET, **SENT)
        if not has_new_id:
            desk._posted = first  # the bot sends it again, signed again
        await desk.post_event("ticket.message_sent", **TICKET, **SENT)
        await desk.post_event("ticket.message_sent", **TICKET, **SENT)

        query = select(deliveries.c.state, deliveries.c.body).order_by(deliveries.c.id)
        rows = (await desk.db.read(lambda tx: tx.execute(query).all()))[2:]
        assert [(row.state, bool(row.body)) for row in rows] == [
            ("done", True),
            ("repeat", False),
            ("repeat", False),
        ]
        await delete_ticket(desk)
        await wait_until_erased(desk.db)


async def test_what_is_about_something_else_stays(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        ids = [await store_body(desk, body) for body in STAY.values()]
        gone = await store_body(desk, UNTRACED["no JSON"])

        await delete_ticket(desk)

        query = select(deliveries.c.id).where(deliveries.c.id >= ids[0], deliveries.c.body != b"")
        left = {gone}
        async with asyncio.timeout(60):
            while gone in left:
                left = await desk.db.read(lambda tx: {*tx.execute(query).scalars()})
        assert set(ids) <= left
        await desk.db.write(replay, ids[0])
        await desk.wait_until_idle()


async def test_a_kill_while_deliveries_are_looked_through_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_running_desk(tmp_path) as desk:
        await post_ticket(desk)
        for _ in range(30):  # more than a page
            await store_body(desk, UNTRACED["an unknown event"])
        url = desk.url

        def fail(_: Connection, __: object) -> None:
            raise ConnectionError

        with monkeypatch.context() as broken:
            broken.setattr(erasure, "erase_untraced", fail)
            await delete_ticket(desk)
            with pytest.raises(ConnectionError):
                await Eraser(desk.db, DiskStore(tmp_path / "x"), [BotSource([])]).sweep()
    async with open_running_desk(tmp_path, url) as desk:
        await wait_until_erased(desk.db)


def test_a_body_of_many_numbers_is_not_looked_up_without_end() -> None:
    keys = find_ticket_keys(json.dumps(list(range(100_000))).encode())

    assert keys is not None
    assert len(keys.ids) <= 200
