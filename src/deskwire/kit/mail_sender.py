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
from deskwire.kit.mail import Mail, Posted
from deskwire.kit.smtp_url import Relay

WITHIN = 30.0  # s for one mail, from connecting to the server's yes; less than the first pause
FLOOR = 15.0  # s; looked at again even if nobody rang: retries, and what other processes queued
AGAIN = 5.0  # s until the next try where the database refused

logger = logging.getLogger(__name__)


class Postman:
    """Runs for the life of the process; `committed` tells it that something may be queued."""

    def __init__(self, db: Database, relay: Relay, clock: Clock = now) -> None:
        self._db = db
        self._relay = relay
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._bell = asyncio.Event()

    def committed(self, noted: Sequence[Any]) -> None:
        """Called in a writer's thread, after its commit."""
        if any(isinstance(thing, Posted) for thing in noted) and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.set)

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                while await self.send_next():
                    pass
            except OperationalError as error:
                logger.error("mail waits, the database refused: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(AGAIN)
                continue
            await self._wait()

    async def send_next(self) -> bool:
        """Send the mail that is due; False where none is."""
        due = await self._db.write(mail.claim, self._clock())
        if due is None:
            return False
        problem = await self._try_to_send(due)
        pause = await self._db.write(mail.settle, due, problem, self._clock())
        if problem is not None:  # neither to whom nor what: links in it are secrets
            again = f"tried again in {pause // MINUTE} min" if pause else "given up"
            logger.warning("mail %d was not sent, %s: %s", due.id, again, problem)
        return True

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(FLOOR):
                await self._bell.wait()
        except TimeoutError:
            return
        self._bell.clear()

    async def _try_to_send(self, due: Mail) -> str | None:
        """None if the server took it, else why not."""
        try:
            async with asyncio.timeout(WITHIN):
                await self._send(message_of(due, self._relay.sender))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return f"the mail server did not answer within {WITHIN:.0f} s"
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
        relay = self._relay
        await aiosmtplib.send(
            message,
            hostname=relay.host,
            port=relay.port,
            username=relay.user,
            password=relay.password,
            use_tls=relay.tls,
            start_tls=relay.start_tls,
            timeout=WITHIN,
        )


def message_of(due: Mail, sender: str) -> EmailMessage:
    """A mail as it goes over the wire. The same one has the same id when it is tried again."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = due.recipient
    message["Subject"] = due.letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(due.created_at // 1000, UTC))
    domain = parseaddr(sender)[1].rpartition("@")[2]
    message["Message-ID"] = f"<deskwire.{due.id}.{due.created_at}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    message.set_content(due.letter.text)
    message.add_alternative(due.letter.html, subtype="html")
    return message
