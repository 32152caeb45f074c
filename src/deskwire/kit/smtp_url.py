"""Parse SMTP_URL, the server that sends our mail, and MAIL_FROM, the sender address."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import getaddresses, parseaddr
from urllib.parse import unquote, urlsplit

from deskwire.kit.errors import Invalid
from deskwire.kit.loopback import is_loopback_host

NO_TLS_PROBLEM = "it offers no STARTTLS, which a password and SMTP_TLS=required need"
UNQUOTED_NAME = re.compile(r"([^\"<>]*)<[^<>]+>\s*")  # before an address
SPECIAL_CHARACTER = re.compile(r"[,;:@\\\[\]]")  # RFC 5322, 3.2.3; the others do no harm
QUOTE_HINT = (
    'put it in double quotes, like "Desk, Inc." <desk@example.org> '
    "(in a file, all of that in single quotes)"
)
DEFAULT_PORTS = {"smtp": 587, "smtps": 465}  # submission, with STARTTLS or with implicit TLS


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The server that sends our mail, and the address the mail is from."""

    host: str
    port: int
    implicit_tls: bool  # TLS from the first byte
    user: str | None
    from_address: str
    password: str | None = field(default=None, repr=False)
    requires_tls: bool = False  # even without a password

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine, so that there is no network to eavesdrop on."""
        return is_loopback_host(self.host)

    @property
    def start_tls(self) -> bool | None:
        """Whether to use STARTTLS, and refuse a server without; None: only if it is offered.

        An attacker on the way to the server can remove the offer (STARTTLS stripping).
        """
        if self.implicit_tls:
            return False
        if self.requires_tls:
            return True
        if self.is_local:
            return False
        return True if self.password else None


def parse_smtp_url(url: str, from_address: str) -> SmtpServer:
    """Parse `smtp://user:password@host:587` or `smtps://host`.

    Raises Invalid, with a message that does not contain the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("the port must be a number from 0 to 65535") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise Invalid("must look like smtp://user:password@host:587 or smtps://host")
    user, password = (unquote(each) if each else None for each in (parts.username, parts.password))
    tls = parts.scheme == "smtps"
    return SmtpServer(
        parts.hostname, port or DEFAULT_PORTS[parts.scheme], tls, user, from_address, password
    )


def parse_from_address(text: str) -> str:
    """Return `text` if mail can be from it: `Desk <desk@example.org>` or the bare address.

    Raises Invalid otherwise.
    """
    unquoted = UNQUOTED_NAME.fullmatch(text)
    special = SPECIAL_CHARACTER.search(unquoted[1]) if unquoted is not None else None
    if special is not None:
        named = "a comma" if special[0] == "," else special[0]
        raise Invalid(f"the name contains {named}: {QUOTE_HINT}")
    if len(getaddresses([text])) > 1:
        raise Invalid("must be one address")
    address = parseaddr(text)[1]
    if not address.partition("@")[0] or "." not in address.rpartition("@")[2] or "\n" in text:
        raise Invalid("must look like desk@example.org or Our desk <desk@example.org>")
    return text
