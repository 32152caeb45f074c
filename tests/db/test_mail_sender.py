"""Test the mail sender: queued mail reaches a real server once, and is retried on failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import Connection, select
from sqlalchemy.exc import OperationalError

from deskwire.kit import mail, mail_sender
from deskwire.kit.clock import DAY, MINUTE
from deskwire.kit.db import Database
from deskwire.kit.mail_sender import MailSender
from deskwire.kit.smtp_url import SmtpServer
from tests.fixtures.accounts import NOON, FakeClock, dump_database
from tests.fixtures.databases import create_database

SECRET = "https://desk.test/reset/very-secret"


@dataclass
class FakeMailServer:
    """What a real server was handed; `answer` is what it says to it."""

    answer: str = "250 OK"
    received: list[Envelope] = field(default_factory=list)
    has_mail: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    is_slow: bool = False  # to answer: not before `may_answer`
    hides_goodbye: bool = False  # never answers QUIT

    async def handle_DATA(  # noqa: N802 - the server asks for it by this name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith("250"):
            self.received.append(envelope)
        self.has_mail.set()
        if self.is_slow:
            await self.may_answer.wait()
        return self.answer

    async def handle_QUIT(  # noqa: N802 - the server asks for it by this name
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        if self.hides_goodbye:
            await asyncio.Event().wait()
        return "221 Bye"

    @property
    def messages(self) -> list[Message]:
        return [message_from_bytes(_bytes_of(each), policy=default) for each in self.received]


def _bytes_of(envelope: Envelope) -> bytes:
    assert isinstance(envelope.content, bytes)
    return envelope.content


@pytest.fixture
def mail_server() -> FakeMailServer:
    return FakeMailServer()


@pytest.fixture
async def smtp_server_url(mail_server: FakeMailServer) -> AsyncIterator[SmtpServer]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mail_server, loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield SmtpServer(
        "127.0.0.1", port, implicit_tls=False, user=None, from_address="Desk <desk@desk.test>"
    )
    server.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


def post(db: Database, to: str = "ada@desk.test", at: int = NOON, subject: str = "Hello") -> None:
    db.write_sync(mail.queue, to, subject, f"Open {SECRET}", f'<a href="{SECRET}">Open</a>', at)


def rows(db: Database) -> list[Any]:
    def read(tx: Connection) -> list[Any]:
        return list(tx.execute(select(mail.mails).order_by(mail.mails.c.id)))

    return db.read_sync(read)


async def test_a_queued_mail_reaches_the_server_as_text_and_html(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db)

    assert await MailSender(db, smtp_server_url, FakeClock()).send_next()

    [message] = mail_server.messages
    assert (message["from"], message["to"]) == ("Desk <desk@desk.test>", "ada@desk.test")
    assert message["auto-submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]
    [row] = rows(db)
    assert (row.sent_at, row.failed_at, row.problem) == (NOON, None, None)


async def test_a_sent_mail_is_not_sent_again_and_its_link_is_erased(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    clock = FakeClock()
    sender = MailSender(db, smtp_server_url, clock)
    post(db)

    assert [await sender.send_next() for _ in range(2)] == [True, False]
    clock.at += DAY
    assert not await sender.send_next()

    assert len(mail_server.received) == 1
    assert SECRET not in dump_database(db)


async def test_a_refused_mail_is_retried_and_then_given_up(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail_server.answer = "451 not now"
    clock = FakeClock()
    sender = MailSender(db, smtp_server_url, clock)
    post(db)
    tried = []

    for minute in range(4 * 60):
        clock.at = NOON + minute * MINUTE
        if await sender.send_next():
            tried.append(minute)

    assert tried == [0, 1, 6, 36, 156]
    [row] = rows(db)
    assert row.sent_at is None
    assert row.failed_at == NOON + 156 * MINUTE
    assert "451" in row.problem
    assert "given up" in caplog.text


async def test_content_and_recipient_of_a_mail_are_never_logged(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mail_server.answer = f"554 refused: {SECRET}"
    post(db)

    await MailSender(db, smtp_server_url, FakeClock()).send_next()

    assert "was not sent" in caplog.text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("deskwire")]
    assert not any(SECRET in line or "ada@desk.test" in line for line in ours)
    assert SECRET not in rows(db)[0].problem


async def test_an_unreachable_server_is_recorded_as_a_problem(
    db: Database, smtp_server_url: SmtpServer
) -> None:
    post(db)

    assert await MailSender(db, replace(smtp_server_url, port=1), FakeClock()).send_next()

    [row] = rows(db)
    assert (row.sent_at, row.tries, row.due_at) == (None, 1, NOON + MINUTE)
    assert "cannot be used" in row.problem


async def test_an_address_that_cannot_be_encoded_does_not_stop_other_mails(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db, to="ada@desk.test\r\nBcc: eve@desk.test")
    post(db, to="bo@desk.test", at=NOON + 1)
    sender = MailSender(db, smtp_server_url, FakeClock(NOON + 1))

    assert [await sender.send_next() for _ in range(3)] == [True, True, False]

    assert [each.rcpt_tos for each in mail_server.received] == [["bo@desk.test"]]


async def test_a_subject_cannot_add_a_header(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db, subject="Hello\r\nBcc: eve@desk.test")

    await MailSender(db, smtp_server_url, FakeClock()).send_next()

    [envelope], [message] = mail_server.received, mail_server.messages
    assert envelope.rcpt_tos == ["ada@desk.test"]
    assert message["bcc"] is None


async def test_several_senders_send_each_mail_once(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    for number in range(8):
        post(db, to=f"n{number}@desk.test")
    senders = [MailSender(db, smtp_server_url, FakeClock()) for _ in range(4)]

    async def send_all(sender: MailSender) -> None:
        while await sender.send_next():
            pass

    async with anyio.create_task_group() as tasks:
        for sender in senders:
            tasks.start_soon(send_all, sender)

    sent = sorted(address for each in mail_server.received for address in each.rcpt_tos)
    assert sent == [f"n{number}@desk.test" for number in range(8)]


def test_a_mail_is_retried_if_its_sender_dies_while_sending(
    db: Database,
) -> None:
    post(db)
    claimed = db.write_sync(mail.claim_due, NOON)

    at_once = db.write_sync(mail.claim_due, NOON + MINUTE - 1)
    later = db.write_sync(mail.claim_due, NOON + MINUTE)

    assert claimed is not None
    assert at_once is None
    assert later is not None
    assert (later.id, later.tries) == (claimed.id, 2)


def test_a_mail_of_a_rolled_back_transaction_is_not_sent(db: Database) -> None:
    def fail(tx: Connection) -> None:
        mail.queue(tx, "ada@desk.test", "Hello", "text", "html", NOON)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        db.write_sync(fail)

    assert db.write_sync(mail.claim_due, NOON) is None


def test_a_mail_unsent_for_a_day_is_given_up(db: Database) -> None:
    post(db)

    assert db.write_sync(mail.claim_due, NOON + DAY) is None

    [row] = rows(db)
    assert row.failed_at == NOON + DAY
    assert SECRET not in dump_database(db)


async def test_a_running_sender_sends_a_mail_as_soon_as_it_is_queued(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    sender = MailSender(db, smtp_server_url, FakeClock())
    db.set_commit_listener(sender.on_committed)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sender.run)
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(post, db)
        with anyio.fail_after(10):  # less than the floor
            while not mail_server.received:  # noqa: ASYNC110 - the server announces nothing
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert len(mail_server.received) == 1


async def test_a_mail_being_sent_at_shutdown_is_finished_and_recorded(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db)
    mail_server.is_slow = True
    running = asyncio.create_task(MailSender(db, smtp_server_url, FakeClock()).run())
    await mail_server.has_mail.wait()

    running.cancel()
    await anyio.wait_all_tasks_blocked()
    mail_server.may_answer.set()
    await asyncio.wait({running})

    assert running.cancelled()
    assert [row.sent_at for row in rows(db)] == [NOON]
    assert len(mail_server.received) == 1


async def test_a_silent_server_does_not_block_the_shutdown(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail_sender, "STOP_TIMEOUT", 0.01)
    post(db)
    mail_server.is_slow = True
    running = asyncio.create_task(MailSender(db, smtp_server_url, FakeClock()).run())
    await mail_server.has_mail.wait()

    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
    assert [(row.sent_at, row.due_at) for row in rows(db)] == [(None, NOON + MINUTE)]


async def test_a_connection_in_progress_is_closed_at_shutdown(db: Database) -> None:
    is_reached, is_closed = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_reached.set()
        await reader.read()
        is_closed.set()
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    post(db)
    server = SmtpServer("127.0.0.1", port, False, None, "desk@desk.test")
    running = asyncio.create_task(MailSender(db, server, FakeClock()).run())
    await is_reached.wait()

    running.cancel()
    await asyncio.wait({running})

    await is_closed.wait()
    silent.close()
    assert [row.sent_at for row in rows(db)] == [None]


async def test_a_mail_counts_as_sent_if_quit_is_not_answered(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail_sender, "SEND_TIMEOUT", 5.0)
    monkeypatch.setattr(mail_sender, "QUIT_TIMEOUT", 0.01, raising=False)
    mail_server.hides_goodbye = True
    post(db)

    await MailSender(db, smtp_server_url, FakeClock()).send_next()

    assert [(row.sent_at, row.problem) for row in rows(db)] == [(NOON, None)]


async def test_a_sent_mail_is_recorded_once_the_database_works_again(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record, refusals = mail.record_attempt, iter(range(2))

    def refuse_twice(tx: Connection, *arguments: Any) -> Any:
        if next(refusals, None) is not None:
            raise OperationalError("UPDATE", None, Exception("the database is locked"))
        return record(tx, *arguments)

    monkeypatch.setattr(mail, "record_attempt", refuse_twice)
    post(db)

    await MailSender(db, smtp_server_url, FakeClock()).send_next()

    assert [row.sent_at for row in rows(db)] == [NOON]
    assert len(mail_server.received) == 1


async def test_a_server_without_required_tls_gets_no_mail(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db)

    await MailSender(db, replace(smtp_server_url, requires_tls=True), FakeClock()).send_next()

    assert mail_server.received == []
    assert "it offers no STARTTLS" in rows(db)[0].problem
