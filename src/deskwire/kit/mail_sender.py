"""The postman: sends what is queued, one mail at a time, and tries again where that failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

import aiosmtplib
from sqlalchemy.exc import OperationalError

from deskwire.kit import mail
from deskwire.kit.clock import MINUTE, Clock, now
from deskwire.kit.db import Database
from deskwire.kit.mail import Mail, MailQueued
from deskwire.kit.smtp_url import SmtpServer

SEND_TIMEOUT = 30.0  # s per mail, from connect to accepted; shorter than the first retry delay
POLL_INTERVAL = 15.0  # s; finds due retries and mail that other processes queued
RETRY_DELAY = 5.0  # s until the next try where the database refused

logger = logging.getLogger(__name__)


class MailSender:
    """Runs for the life of the process; `committed` tells it that something may be queued."""

    def __init__(self, db: Database, smtp_server: SmtpServer, clock: Clock = now) -> None:
        self._db = db
        self._smtp_server = smtp_server
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wake_up = asyncio.Event()

    def on_committed(self, signals: Sequence[Any]) -> None:
        """Called in a writer's thread, after its commit."""
        if any(isinstance(thing, MailQueued) for thing in signals) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_up.set)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                while await self.send_next():
                    pass
            except OperationalError as error:
                logger.error("mail waits, the database refused: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(RETRY_DELAY)
                continue
            await self._wait_for_mail()

    async def send_next(self) -> bool:
        """Send the mail that is due; False where none is."""
        due = await self._db.write(mail.claim_due, self._clock())
        if due is None:
            return False
        problem = await self._attempt_send(due)
        pause = await self._db.write(mail.record_attempt, due, problem, self._clock())
        if problem is not None:  # neither to whom nor what: links in it are secrets
            again = f"tried again in {pause // MINUTE} min" if pause else "given up"
            logger.warning("mail %d was not sent, %s: %s", due.id, again, problem)
        return True

    async def _wait_for_mail(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._wake_up.wait()
        except TimeoutError:
            return
        self._wake_up.clear()

    async def _attempt_send(self, due_mail: Mail) -> str | None:
        """None if the server took it, else why not."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._send(build_message(due_mail, self._smtp_server.from_address))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return f"the mail server did not answer within {SEND_TIMEOUT:.0f} s"
        except aiosmtplib.SMTPRecipientsRefused as error:
            return f"the mail server refused the recipient ({error.recipients[0].code})"
        except aiosmtplib.SMTPResponseException as error:
            return f"the mail server said no ({type(error).__name__}, {error.code})"
        except (aiosmtplib.SMTPException, OSError) as error:
            return f"the mail server cannot be used ({type(error).__name__})"
        except (ValueError, UnicodeError) as error:  # a header that cannot be written
            return f"the mail cannot be written ({type(error).__name__})"
        return None

    async def _send(self, message: EmailMessage) -> None:
        relay = self._smtp_server
        await aiosmtplib.send(
            message,
            hostname=relay.host,
            port=relay.port,
            username=relay.user,
            password=relay.password,
            use_tls=relay.implicit_tls,
            start_tls=relay.start_tls,
            timeout=SEND_TIMEOUT,
        )


def build_message(due_mail: Mail, from_address: str) -> EmailMessage:
    """A mail as it goes over the wire. The same one has the same id when it is tried again."""
    message = EmailMessage(policy=SMTP)
    message["From"] = from_address
    message["To"] = due_mail.recipient
    message["Subject"] = due_mail.content.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(due_mail.created_at // 1000, UTC))
    domain = parseaddr(from_address)[1].rpartition("@")[2]
    message["Message-ID"] = f"<deskwire.{due_mail.id}.{due_mail.created_at}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(due_mail.content.text)
    message.add_alternative(due_mail.content.html, subtype="html")
    return message
