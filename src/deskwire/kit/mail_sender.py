"""Send queued mail over SMTP, one mail at a time, with retries."""

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
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import MINUTE, Clock, now
from deskwire.kit.db import Database
from deskwire.kit.mail import Mail, MailQueued
from deskwire.kit.smtp_url import SmtpServer

SEND_TIMEOUT = 30.0  # s per mail, from connecting to acceptance; shorter than the first retry delay
POLL_INTERVAL = 15.0  # s; picks up due retries and mail that other processes queued

logger = logging.getLogger(__name__)


class MailSender:
    """Send mail for the life of the process; `on_committed` wakes it when mail was queued."""

    def __init__(
        self,
        db: Database,
        smtp_server: SmtpServer,
        clock: Clock = now,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db = db
        self._smtp_server = smtp_server
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wake_up = asyncio.Event()
        self._backoff = Backoff(self._wake_up, first=first_retry_delay)

    def on_committed(self, signals: Sequence[Any]) -> None:
        """Wake the sender if mail was queued. Called in the writer thread, after its commit."""
        if any(isinstance(signal, MailQueued) for signal in signals) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_up.set)

    async def run(self) -> None:
        """Send mail until cancelled."""
        while True:
            try:
                while await self.send_next():
                    pass
            except OperationalError as error:
                logger.error("sending mail is paused for a database error: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()
            else:
                self._backoff.reset()
                await wait_for_event(self._wake_up, POLL_INTERVAL)
            self._wake_up.clear()

    async def send_next(self) -> bool:
        """Send the mail that has been due longest; return False if none is due."""
        due_mail = await self._db.write(mail.claim_due, self._clock())
        if due_mail is None:
            return False
        problem = await self._attempt_send(due_mail)
        delay = await self._db.write(mail.record_attempt, due_mail, problem, self._clock())
        if problem is not None:  # logs neither recipient nor content: links in it are secrets
            outcome = f"next attempt in {delay // MINUTE} min" if delay else "given up"
            logger.warning("mail %d was not sent, %s: %s", due_mail.id, outcome, problem)
        return True

    async def _attempt_send(self, due_mail: Mail) -> str | None:
        """Return None if the server accepted the mail, else the reason why not."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._send(build_message(due_mail, self._smtp_server.from_address))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return f"the mail server did not answer within {SEND_TIMEOUT:.0f} s"
        except aiosmtplib.SMTPRecipientsRefused as error:
            return f"the mail server refused the recipient ({error.recipients[0].code})"
        except aiosmtplib.SMTPResponseException as error:
            return f"the mail server rejected the mail ({type(error).__name__}, {error.code})"
        except (aiosmtplib.SMTPException, OSError) as error:
            return f"the mail server cannot be used ({type(error).__name__})"
        except (ValueError, UnicodeError) as error:  # a header that cannot be encoded
            return f"the mail cannot be encoded ({type(error).__name__})"
        return None

    async def _send(self, message: EmailMessage) -> None:
        server = self._smtp_server
        await aiosmtplib.send(
            message,
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.implicit_tls,
            start_tls=server.start_tls,
            timeout=SEND_TIMEOUT,
        )


def build_message(due_mail: Mail, from_address: str) -> EmailMessage:
    """Build the message to send. Every attempt for a mail has the same Message-ID."""
    message = EmailMessage(policy=SMTP)
    message["From"] = from_address
    message["To"] = due_mail.recipient
    message["Subject"] = due_mail.content.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(due_mail.created_at // 1000, UTC))
    domain = parseaddr(from_address)[1].rpartition("@")[2]
    message["Message-ID"] = f"<deskwire.{due_mail.id}.{due_mail.created_at}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses out-of-office replies
    message.set_content(due_mail.content.text)
    message.add_alternative(due_mail.content.html, subtype="html")
    return message
