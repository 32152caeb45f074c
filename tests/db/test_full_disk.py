"""Test a full disk: nothing is lost, no event is sent for what did not happen, work resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from deskwire.events import log
from deskwire.webhooks.deliveries import count_by_state, store_deliveries
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.bot_deliveries import SignedEvent, accept_event
from tests.fixtures.hub import wait_until
from tests.fixtures.running_desk import RunningDesk, open_running_desk

pytestmark = pytest.mark.database("sqlite")  # the transaction that ends by itself is SQLite's

GUILD, MO = "800000000000000001", "900000000000000006"
TICKET: dict[str, Any] = {"guildId": GUILD, "ticketId": 1001, "ticketNumber": 1}
MANY = 20  # the worker's batch
ROOM = 2**30  # pages; SQLite's own limit


def limit(tx: Connection, pages: int) -> None:
    """No more than that many pages, and no fewer than there are: the next one is refused."""
    tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def keep_without_room(tx: Connection, arrived: list[IncomingDelivery]) -> None:
    """Deliveries that were kept with the last page there was."""
    store_deliveries(tx, arrived)
    limit(tx, 1)


def message(number: int, at: int) -> IncomingDelivery:
    answers = {
        **TICKET,
        "messageId": str(number),
        "authorId": MO,
        "authorUsername": "mo",
        "messageType": "staff",
        "hasAttachments": False,
        "messageLength": 3000,
        "content": f"{number} " + "x" * 3000,
    }
    return accept_event(SignedEvent(at, "ticket.message_sent", answers), id_=str(number))


def read_messages(desk: RunningDesk) -> list[str]:
    """Ids of the messages in the log, in order."""

    def read(tx: Connection) -> list[Any]:
        rows = tx.execute(select(log.log.c.data).where(log.log.c.type == "ticket.message_sent"))
        return [row.data.partition('"messageId":"')[2].partition('"')[0] for row in rows]

    return desk.db.read_sync(read)


async def opened(desk: RunningDesk) -> Any:
    """A stream of the owner, and a ticket to write in."""
    mo = await desk.create_person("mo")
    await desk.run_command("people.link", email="mo@example.org", discord=MO)
    await desk.post_event(
        "guild.joined", guildId=GUILD, guildName="Harbour", ownerId=MO, memberCount=3
    )
    await desk.post_event(
        "ticket.created", **TICKET, subject="Help", openerId=MO, openerUsername="mo"
    )
    return await desk.open_stream(mo)


async def test_deliveries_wait_while_the_disk_is_full_and_are_processed_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_running_desk(tmp_path) as desk:
        stream = await opened(desk)
        before = await desk.db.read(log.read_head)
        arrived = [message(number, desk.clock + number) for number in range(1, MANY + 1)]

        await desk.db.write(keep_without_room, arrived)
        await wait_until(lambda: caplog.text.count("deliveries wait") >= 2)

        assert (await desk.db.read(count_by_state))["pending"] == MANY
        assert await desk.db.read(log.read_head) == before == desk.hub.buffer.head
        assert stream.positions == []

        await desk.db.write(limit, ROOM)
        await desk.wait_until_idle()

        assert await desk.db.read(count_by_state) == {"done": MANY + 2}
        assert read_messages(desk) == [str(number) for number in range(1, MANY + 1)]
        assert len(stream.positions) == MANY
        assert await desk.db.read(log.read_head) == before + MANY == desk.hub.buffer.head


async def test_a_full_disk_keeps_exactly_the_acknowledged_deliveries(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        await opened(desk)
        await desk.db.write(limit, 1)

        stored_count = 0

        async def keep_on() -> None:
            nonlocal stored_count
            while True:
                await desk.services.intake.store(
                    message(stored_count + 1, desk.clock + stored_count)
                )
                stored_count += 1

        with pytest.raises(OperationalError, match="full"):
            await keep_on()

        assert desk.db.failed_writes > 0
        await desk.db.write(limit, ROOM)
        assert await desk.services.readiness.find_problems() == []
        await desk.wait_until_idle()
        assert read_messages(desk) == [str(number) for number in range(1, stored_count + 1)]


async def test_a_page_action_on_a_full_disk_is_rolled_back_as_a_whole(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        await opened(desk)
        await desk.db.write(limit, 1)

        invited = 0

        async def invite_on() -> None:
            nonlocal invited
            while True:
                await desk.create_person(f"guest{invited}")
                invited += 1

        with pytest.raises(OperationalError, match="full"):
            await invite_on()

        await desk.db.write(limit, ROOM)
        await desk.create_person(f"guest{invited}")  # nothing of them was left behind
