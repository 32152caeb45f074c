"""Send mail over SMTP, as the target `mail` of dispatches."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Literal

import aiosmtplib
from sqlalchemy import Connection

from deskwire.dispatches.mail import MAIL_TARGET, Mail, Recipients, parse_mail
from deskwire.dispatches.store import SECRET_TARGETS, Dispatch
from deskwire.dispatches.target import BeginFunction, Done, Outcome, Refused, Unavailable
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.errors import Upstream
from deskwire.kit.smtp_url import NO_TLS_PROBLEM, SmtpServer
from deskwire.kit.tcp import connect_tcp, find_own_name

QUIT_TIMEOUT = 2.0  # s for the server to answer our goodbye
SEND_TIMEOUT = 30.0  # s per mail, from connecting to acceptance; shorter than a lease
STOP_TIMEOUT = 6.0  # s to end a mail that the server may have accepted; Docker kills after 10 s
CONNECTIONS = 4  # at the same time; many servers refuse more from one client
MAX_AGE = DAY  # ms; older mail would surprise its reader, and its links have expired

LOGIN_CODES = frozenset({530, 534, 535, 538})  # replies: log in first, or otherwise (RFC 4954)
ADDRESS_CODES = frozenset({550, 551, 553, 556})  # replies that may be about the address
# Of those with a second code: no such mailbox, domain or syntax, it moved, or it is disabled.
ADDRESS_ENHANCED_CODES = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
ENHANCED_CODE = re.compile(r"5\.\d{1,3}\.\d{1,3}(?!\S)")

logger = logging.getLogger(__name__)


class SmtpTarget:
    """The mail server. A mail that is sent again has the same Message-ID."""

    name = MAIL_TARGET
    limit = CONNECTIONS
    timeout = SEND_TIMEOUT + 1
    stop_timeout = STOP_TIMEOUT
    max_age: Millis | None = MAX_AGE
    on_dead: Literal["blocks", "skips"] = "skips"
    has_secrets = MAIL_TARGET in SECRET_TARGETS

    def __init__(self, server: SmtpServer, recipients: Recipients | None = None) -> None:
        self._server = server
        self._recipients = recipients
        self._goodbyes = set[asyncio.Task[None]]()

    def find_obstacle(self, tx: Connection, dispatch: Dispatch, at: Millis) -> str | None:
        """Return why nothing is sent to the recipient of a mail."""
        if self._recipients is None:
            return None
        recipient = dispatch.payload["recipient"]
        return self._recipients.find_obstacle(tx, dispatch.kind, recipient, at)

    def record_gone(self, tx: Connection, dispatch: Dispatch, at: Millis) -> None:
        """Record that the recipient of a mail was refused for good."""
        if self._recipients is not None:
            self._recipients.record_refusal(tx, dispatch.payload["recipient"], at)

    async def send(self, dispatch: Dispatch, begin: BeginFunction) -> Outcome:
        """Send one mail. Neither recipient nor content are logged: links in it are secrets."""
        mail = parse_mail(dispatch.id, dispatch.payload, dispatch.created_at)
        try:
            message = build_message(mail, self._server.from_address)
        except (ValueError, UnicodeError) as error:  # a header that cannot be encoded
            return Refused(f"the mail cannot be encoded ({type(error).__name__})", permanent=True)
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            use_tls=self._server.implicit_tls,
            start_tls=False,  # `_log_in` does it, to explain why a server cannot be used
            timeout=SEND_TIMEOUT,
        )
        outcome: Outcome = Unavailable("the connection was cut")
        try:
            outcome = await self._attempt(client, mail, message, begin)
        finally:
            if isinstance(outcome, Done):  # the outcome does not wait for the goodbye
                goodbye = asyncio.create_task(_quit(client))
                self._goodbyes.add(goodbye)
                goodbye.add_done_callback(self._goodbyes.discard)
            else:
                client.close()
        if not isinstance(outcome, Done):
            logger.warning("mail %d was not sent: %s", dispatch.id, outcome.reason)
        return outcome

    async def _attempt(
        self, client: aiosmtplib.SMTP, mail: Mail, message: EmailMessage, begin: BeginFunction
    ) -> Outcome:
        server, has_begun = self._server, False
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await client.connect(
                    local_hostname=await find_own_name(),
                    sock=await connect_tcp(server.host, server.port),
                )
                await self._log_in(client)
                begin()
                has_begun = True
                await client.send_message(message, recipients=[mail.recipient])
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _judge_recipient(error.recipients[0])
        except aiosmtplib.SMTPSenderRefused as error:  # it refuses us, not this mail
            return Unavailable(f"the mail server refused the sender ({error.code})")
        except aiosmtplib.SMTPDataError as error:
            return _judge("the mail", error.code)
        except Upstream as refusal:
            return Unavailable(f"the mail server cannot be used: {refusal}")
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            reason = f"the mail server did not answer within {SEND_TIMEOUT:.0f} s"
            return Unavailable(reason, may_be_the_effect=has_begun)
        except aiosmtplib.SMTPResponseException as error:
            reason = f"the mail server cannot be used ({type(error).__name__}, {error.code})"
            return Unavailable(reason, may_be_the_effect=has_begun)
        except (aiosmtplib.SMTPException, OSError) as error:
            reason = f"the mail server cannot be used ({type(error).__name__})"
            return Unavailable(reason, may_be_the_effect=has_begun)
        return Done("250")

    async def _log_in(self, client: aiosmtplib.SMTP) -> None:
        """Encrypt the connection as configured, and log in if there is a user.

        Raises Upstream if TLS is required and not offered, and what the client raises.
        """
        server = self._server
        if server.start_tls is not False:
            with suppress(aiosmtplib.SMTPHeloError):  # a server without EHLO offers nothing
                await client.ehlo()
            if client.supports_extension("starttls"):
                await client.starttls()
            elif server.start_tls:
                raise Upstream(NO_TLS_PROBLEM, permanent=True)
        if server.user is not None:
            await client.login(server.user, server.password or "")


def _judge_recipient(refused: aiosmtplib.SMTPRecipientRefused) -> Outcome:
    """Return the outcome of a reply about the recipient.

    Only some codes say that the address itself does not exist. Others are about the server that
    asks: it must log in first, may not relay, or is on a list (RFC 5321, RFC 3463).
    """
    code, found = refused.code, ENHANCED_CODE.match(refused.message)
    if code in LOGIN_CODES:
        return Unavailable(f"the mail server refused to relay without a login ({code})")
    outcome = _judge("the recipient", code)
    is_address = code in ADDRESS_CODES and (found is None or found[0] in ADDRESS_ENHANCED_CODES)
    if isinstance(outcome, Refused) and is_address:
        return replace(outcome, recipient_gone=True)
    return outcome


def _judge(what: str, code: int) -> Outcome:
    """Return the outcome of a reply about this mail: 421 means that the server goes away."""
    reason = f"the mail server refused {what} ({code})"
    if code == 421:
        return Unavailable(reason)
    return Refused(reason, permanent=code >= 500)


async def _quit(client: aiosmtplib.SMTP) -> None:
    """Tell the server that this was all. The mail is sent whatever it answers."""
    try:
        with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
            async with asyncio.timeout(QUIT_TIMEOUT):
                await client.quit()
    finally:
        client.close()


def build_message(mail: Mail, from_address: str) -> EmailMessage:
    """Build the message to send. Raises ValueError or UnicodeError if a header is not valid."""
    message = EmailMessage(policy=SMTP)
    message["From"] = from_address
    message["To"] = mail.recipient
    message["Subject"] = mail.content.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.created_at // 1000, UTC))
    domain = parseaddr(from_address)[1].rpartition("@")[2]
    message["Message-ID"] = f"<deskwire.{mail.number}.{mail.created_at}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses out-of-office replies
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange (MS-OXCMAIL 2.2.3.2.14)
    message.set_content(mail.content.text)
    message.add_alternative(mail.content.html, subtype="html")
    return message
