"""The relay: which server takes our mail, as a setting writes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

from deskwire.kit.errors import Invalid

DEFAULT_PORTS = {
    "smtp": 587,
    "smtps": 465,
}  # where mail is handed in, with STARTTLS or with TLS at once
LOOPBACK_HOSTS = frozenset(
    {"localhost", "127.0.0.1", "::1"}
)  # no network in between that could listen


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The server that takes our mail, and who it is from."""

    host: str
    port: int
    implicit_tls: bool  # from the first byte
    user: str | None
    from_address: str
    password: str | None = field(default=None, repr=False)

    @property
    def start_tls(self) -> bool | None:
        """Whether to go over to TLS: as the server likes (None), unless a password is at stake."""
        if self.implicit_tls or self.host in LOOPBACK_HOSTS:
            return False
        return True if self.password else None


def parse_smtp_url(url: str, from_address: str) -> SmtpServer:
    """`smtp://user:password@host:587` → Relay. Invalid, without the value, if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("the port is no number") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.path not in ("", "/"):
        raise Invalid("must look like smtp://user:password@host:587 or smtps://host")
    user, password = (unquote(each) if each else None for each in (parts.username, parts.password))
    tls = parts.scheme == "smtps"
    return SmtpServer(
        parts.hostname, port or DEFAULT_PORTS[parts.scheme], tls, user, from_address, password
    )


def parse_from_address(text: str) -> str:
    """`Desk <desk@example.org>` or the bare address; Invalid if mail cannot be from it."""
    address = parseaddr(text)[1]
    if not address.partition("@")[0] or "." not in address.rpartition("@")[2] or "\n" in text:
        raise Invalid("must look like desk@example.org or Our desk <desk@example.org>")
    return text
