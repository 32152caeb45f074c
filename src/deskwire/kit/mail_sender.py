"""Send queued mail over SMTP, one mail at a time, with retries.

Once the server may have accepted a mail, the outcome must be recorded, or the mail is sent again:
neither a shutdown, nor a database error, nor a server that does not answer our goodbye may come
between. Only a killed process, or a server slower than the limits here, can cause a repetition,
which has the same Message-ID.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

import aiosmtplib
from sqlalchemy.exc import OperationalError

from deskwire.kit import mail
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import MINUTE, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.kit.errors import Upstream
from deskwire.kit.mail import Mail, MailQueued
from deskwire.kit.smtp_url import NO_TLS_PROBLEM, SmtpServer
from deskwire.kit.tcp import connect_tcp, find_own_name

QUIT_TIMEOUT = 2.0  # s for the server to answer our goodbye, when the mail is already recorded
STOP_TIMEOUT = 6.0  # s to end a mail that the server may have accepted; Docker kills after 10 s
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
        self._may_be_accepted = False  # whether the server has the mail of the current attempt
        self._backoff = Backoff(self._wake_up, first=first_retry_delay)

    def on_committed(self, signals: Sequence[Any]) -> None:
        """Wake the sender if mail was queued. Called in the writer thread, after its commit."""
        if any(isinstance(signal, MailQueued) for signal in signals) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_up.set)

    async def run(self) -> None:
        """Send mail until cancelled, and then for up to STOP_TIMEOUT: see `send_next`."""
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
        """Send the mail that has been due longest; return False if none is due.

        If cancelled when the server may have accepted the mail, waits for the outcome first.
        """
        due_mail = await self._db.write(mail.claim_due, self._clock())
        if due_mail is None:
            return False
        attempt = asyncio.create_task(self._attempt(due_mail))
        try:
            await asyncio.shield(attempt)
        except asyncio.CancelledError:
            if self._may_be_accepted:
                logger.info("waiting for the outcome of mail %d before stopping", due_mail.id)
                await asyncio.wait({attempt}, timeout=STOP_TIMEOUT)
            attempt.cancel()
            await asyncio.gather(attempt, return_exceptions=True)
            raise
        return True

    async def _attempt(self, due_mail: Mail) -> None:
        """Send one mail and record the outcome."""
        client = aiosmtplib.SMTP(
            hostname=self._smtp_server.host,
            use_tls=self._smtp_server.implicit_tls,
            start_tls=False,  # `_log_in` does it, to explain why a server cannot be used
            timeout=SEND_TIMEOUT,
        )
        self._may_be_accepted = False
        try:
            problem = await self._attempt_send(client, due_mail)
            delay = await self._record(due_mail, problem)
            self._may_be_accepted = False
            if problem is not None:  # logs neither recipient nor content: links in it are secrets
                outcome = f"next attempt in {delay // MINUTE} min" if delay else "given up"
                logger.warning("mail %d was not sent, %s: %s", due_mail.id, outcome, problem)
            else:
                await _quit(client)
        finally:
            client.close()

    async def _record(self, due_mail: Mail, problem: str | None) -> Millis | None:
        """Record the outcome, however long the database refuses; return the delay as it does."""
        backoff = Backoff(asyncio.Event())  # of its own: new mail does not help here
        while True:
            try:
                return await self._db.write(mail.record_attempt, due_mail, problem, self._clock())
            except OperationalError as error:
                logger.error(  # noqa: TRY400
                    "the outcome of mail %d cannot be recorded yet: %s", due_mail.id, error.orig
                )
                await backoff.wait()

    async def _attempt_send(self, client: aiosmtplib.SMTP, due_mail: Mail) -> str | None:
        """Return None if the server accepted the mail, else the reason why not."""
        try:
            message = build_message(due_mail, self._smtp_server.from_address)
            async with asyncio.timeout(SEND_TIMEOUT):
                server = self._smtp_server
                await client.connect(
                    local_hostname=await find_own_name(),
                    sock=await connect_tcp(server.host, server.port),
                )
                await self._log_in(client)
                self._may_be_accepted = True
                await client.send_message(message)
        except Upstream as refusal:
            return f"the mail server cannot be used: {refusal}"
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

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        """Encrypt the connection as configured, and log in if there is a user.

        Raises Upstream if TLS is required and not offered, and what the client raises.
        """
        server = self._smtp_server
        if server.start_tls is not False:
            with suppress(aiosmtplib.SMTPHeloError):  # a server without EHLO offers nothing
                await client.ehlo()
            if client.supports_extension("starttls"):
                await client.starttls()
            elif server.start_tls:
                raise Upstream(NO_TLS_PROBLEM, permanent=True)
        if server.user is not None:
            await client.login(server.user, server.password or "")


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Tell the server that this was all. The mail is sent whatever it answers."""
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(QUIT_TIMEOUT):
            await client.quit()


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
