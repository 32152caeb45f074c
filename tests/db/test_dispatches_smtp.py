"""Test mail as dispatches: it reaches a real server once, and is retried on failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path

import anyio
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import Connection

from deskwire.dispatches import mail, smtp
from deskwire.dispatches.claims import Wanted, claim_due
from deskwire.dispatches.dispatcher import Dispatcher
from deskwire.dispatches.mail import MailContent
from deskwire.dispatches.smtp import SmtpTarget
from deskwire.kit.clock import DAY, MINUTE
from deskwire.kit.db import Database
from deskwire.kit.smtp_url import SmtpServer
from tests.fixtures.accounts import NOON, FakeClock, dump_database
from tests.fixtures.databases import create_database
from tests.fixtures.dispatching import read_dispatches, send_due_dispatches

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


def post(
    db: Database, to: str = "ada@desk.test", at: int = NOON, subject: str = "Hello", key: str = ""
) -> None:
    content = MailContent(subject, f"Open {SECRET}", f'<a href="{SECRET}">Open</a>')
    db.write_sync(mail.queue_mail, key or to, to, content, at)


def make_dispatcher(db: Database, server: SmtpServer, clock: FakeClock | None = None) -> Dispatcher:
    return Dispatcher(db, [SmtpTarget(server)], clock or FakeClock(), jitter=lambda: 1.0)


async def test_a_queued_mail_reaches_the_server_as_text_and_html(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db)
    await send_due_dispatches(make_dispatcher(db, smtp_server_url))

    [message] = mail_server.messages
    assert (message["from"], message["to"]) == ("Desk <desk@desk.test>", "ada@desk.test")
    assert message["auto-submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.walk()][1:] == ["text/plain", "text/html"]
    [row] = read_dispatches(db)
    assert (row.state, row.finished_at, row.result) == ("done", NOON, "250")


async def test_a_sent_mail_is_not_sent_again_and_its_link_is_erased(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    clock = FakeClock()
    dispatcher = make_dispatcher(db, smtp_server_url, clock)
    post(db)
    await send_due_dispatches(dispatcher)
    clock.at += DAY
    await send_due_dispatches(dispatcher)

    assert len(mail_server.received) == 1
    assert SECRET not in dump_database(db)


async def test_a_mail_refused_for_now_is_retried_and_then_given_up(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    mail_server.answer = "451 not now"
    clock, attempts = FakeClock(), list[int]()
    dispatcher = make_dispatcher(db, smtp_server_url, clock)
    post(db)
    for _ in range(20):
        await send_due_dispatches(dispatcher)
        [row] = read_dispatches(db)
        attempts.append(row.attempts)
        if row.state == "dead":
            break
        assert row.due_at > clock.at
        clock.at = row.due_at

    assert attempts == list(range(1, 11))
    assert row.state == "dead"
    assert row.last_error is not None
    assert "451" in row.last_error
    assert SECRET not in dump_database(db)


async def test_a_mail_refused_for_good_is_not_tried_again(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    mail_server.answer = "550 no such mailbox"
    post(db)
    post(db, to="bo@desk.test")
    await send_due_dispatches(make_dispatcher(db, smtp_server_url))

    assert [(row.state, row.attempts) for row in read_dispatches(db)] == [("dead", 1)] * 2


async def test_content_and_recipient_of_a_mail_are_never_logged(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mail_server.answer = f"554 refused: {SECRET}"
    post(db, key="person:1")
    await send_due_dispatches(make_dispatcher(db, smtp_server_url))

    assert "was not sent" in caplog.text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("deskwire")]
    assert not any(SECRET in line or "ada@desk.test" in line for line in ours)
    assert SECRET not in dump_database(db)
    assert "ada@desk.test" not in dump_database(db), "it is emptied once it is given up"


async def test_an_unreachable_server_uses_up_no_attempt(
    db: Database, smtp_server_url: SmtpServer
) -> None:
    post(db)
    await send_due_dispatches(make_dispatcher(db, replace(smtp_server_url, port=1)))

    [row] = read_dispatches(db)
    assert (row.state, row.attempts) == ("ready", 0)
    assert row.last_error is not None
    assert "cannot be used" in row.last_error


async def test_an_address_that_cannot_be_encoded_does_not_stop_other_mails(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db, to="ada@desk.test\r\nBcc: eve@desk.test")
    post(db, to="bo@desk.test")
    await send_due_dispatches(make_dispatcher(db, smtp_server_url))

    assert [each.rcpt_tos for each in mail_server.received] == [["bo@desk.test"]]
    assert [row.state for row in read_dispatches(db)] == ["dead", "done"]


async def test_a_subject_cannot_add_a_header(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db, subject="Hello\r\nBcc: eve@desk.test")
    await send_due_dispatches(make_dispatcher(db, smtp_server_url))

    [envelope], [message] = mail_server.received, mail_server.messages
    assert envelope.rcpt_tos == ["ada@desk.test"]
    assert message["bcc"] is None


async def test_several_processes_send_each_mail_once(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    for number in range(12):
        post(db, to=f"n{number}@desk.test")
    dispatchers = [make_dispatcher(db, smtp_server_url) for _ in range(4)]

    async with anyio.create_task_group() as tasks:
        for dispatcher in dispatchers:
            tasks.start_soon(send_due_dispatches, dispatcher)

    sent = sorted(address for each in mail_server.received for address in each.rcpt_tos)
    assert sent == sorted(f"n{number}@desk.test" for number in range(12))


def test_a_mail_of_a_rolled_back_transaction_is_not_sent(db: Database) -> None:
    def fail(tx: Connection) -> None:
        mail.queue_mail(tx, "person:1", "ada@desk.test", MailContent("Hello", "text", "html"), NOON)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        db.write_sync(fail)

    assert read_dispatches(db) == []


def test_a_mail_unsent_for_a_day_is_given_up(db: Database) -> None:
    post(db)
    target = SmtpTarget(SmtpServer("127.0.0.1", 25, False, None, "desk@desk.test"))

    assert db.write_sync(claim_due, target, NOON + DAY, [Wanted(10)]) == []
    assert [row.state for row in read_dispatches(db)] == ["dead"]
    assert SECRET not in dump_database(db)


async def test_a_running_dispatcher_sends_a_mail_as_soon_as_it_is_queued(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    dispatcher = make_dispatcher(db, smtp_server_url)
    db.set_commit_listener(dispatcher.on_committed)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatcher.run)
        await anyio.wait_all_tasks_blocked()
        await anyio.to_thread.run_sync(post, db)
        with anyio.fail_after(30):
            while not mail_server.received:  # noqa: ASYNC110 - the server announces nothing
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert len(mail_server.received) == 1


async def test_a_mail_being_sent_at_shutdown_is_finished_and_recorded(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db)
    mail_server.is_slow = True
    running = asyncio.create_task(make_dispatcher(db, smtp_server_url).run())
    await mail_server.has_mail.wait()

    running.cancel()
    await anyio.wait_all_tasks_blocked()
    mail_server.may_answer.set()
    await asyncio.wait({running})

    assert running.cancelled()
    assert [row.state for row in read_dispatches(db)] == ["done"]
    assert len(mail_server.received) == 1


async def test_a_silent_server_does_not_block_the_shutdown(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SmtpTarget, "stop_timeout", 0.01)
    post(db)
    mail_server.is_slow = True
    running = asyncio.create_task(make_dispatcher(db, smtp_server_url).run())
    await mail_server.has_mail.wait()

    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
    [row] = read_dispatches(db)
    assert (row.state, row.claimed_until) == ("ready", NOON + MINUTE), "sent again after its lease"


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
    running = asyncio.create_task(make_dispatcher(db, server).run())
    await is_reached.wait()

    running.cancel()
    await asyncio.wait({running})

    await is_closed.wait()
    silent.close()
    [row] = read_dispatches(db)
    assert (row.state, row.claimed_until) == ("ready", 0), "another process can send it now"


async def test_a_mail_counts_as_sent_if_quit_is_not_answered(
    db: Database,
    smtp_server_url: SmtpServer,
    mail_server: FakeMailServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp, "QUIT_TIMEOUT", 0.01)
    mail_server.hides_goodbye = True
    post(db)
    await send_due_dispatches(make_dispatcher(db, smtp_server_url))

    assert [row.state for row in read_dispatches(db)] == ["done"]


async def test_a_server_without_required_tls_gets_no_mail(
    db: Database, smtp_server_url: SmtpServer, mail_server: FakeMailServer
) -> None:
    post(db)
    await send_due_dispatches(make_dispatcher(db, replace(smtp_server_url, requires_tls=True)))

    assert mail_server.received == []
    [row] = read_dispatches(db)
    assert row.last_error is not None
    assert "it offers no STARTTLS" in row.last_error
