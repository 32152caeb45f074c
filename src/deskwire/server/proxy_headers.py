"""Believe trusted proxies about who the client is, and notice proxies that are not trusted.

Behind a proxy that TRUSTED_PROXIES does not name, all people have its address: they share the
limits of one network, and one who guesses passwords locks everyone out. But anyone can send the
header. A peer of an internal network is therefore named; peers of the internet are taken for a
proxy only while no trusted one has sent a request.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from time import monotonic
from typing import Literal

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from deskwire.kit.client_network import network_of

PREFIX = b"x-forwarded-"
FORWARDED_FOR = b"x-forwarded-for"
LOG_INTERVAL = 60.0  # s between two lines about proxies that are not trusted
MAX_NETWORKS = 8  # internal networks remembered; a desk has one or two proxies
CONSEQUENCE = (
    "if this is your proxy, add it to TRUSTED_PROXIES, or everyone behind it shares one rate limit "
    "for signing in"
)

Peer = Literal["internal", "public"]

logger = logging.getLogger(__name__)


class ProxyHeaders:
    """Set the client of requests from `trusted` addresses; count those that others forward."""

    def __init__(
        self, app: ASGIApp, trusted: Sequence[str], clock: Callable[[], float] = monotonic
    ) -> None:
        self._app = app
        self._believing = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]
        self._clock = clock
        self._has_believed = False
        self._networks = Counter[str]()
        self._logged_at: float | None = None
        self.ignored = Counter[Peer]()  # requests with the header whose sender is not trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope.get("headers", ()) if name.startswith(PREFIX)}
        if not names:  # nothing to believe: webhooks take this path thousands of times a second
            await self._app(scope, receive, send)
            return
        if FORWARDED_FOR in names:
            self._note_sender(scope.get("client"))
        await self._believing(scope, receive, send)  # type: ignore[arg-type]

    def list_notes(self) -> list[str]:
        """Return what an operator should set, as sentences that name addresses."""
        notes = [
            f"{count:,} requests with X-Forwarded-For came from {network}, which is not trusted: "
            f"{CONSEQUENCE}"
            for network, count in sorted(self._networks.items())
        ]
        if self.ignored["public"] and not self._has_believed:
            notes.append(
                f"{self.ignored['public']:,} requests with X-Forwarded-For came from public "
                f"addresses that are not trusted (the log names some): {CONSEQUENCE}"
            )
        return notes

    def _note_sender(self, client: tuple[str, int] | None) -> None:
        if client is None:  # a Unix socket
            return
        if client[0] in self._believing.trusted_hosts:
            self._has_believed = True
            return
        network = network_of(client[0])
        if is_internal(client[0]):
            self.ignored["internal"] += 1
            if network in self._networks or len(self._networks) < MAX_NETWORKS:
                self._networks[network] += 1
        else:
            self.ignored["public"] += 1
        self._log(network)

    def _log(self, network: str) -> None:
        time = self._clock()
        if self._logged_at is None or time - self._logged_at >= LOG_INTERVAL:
            self._logged_at = time
            logger.warning(
                "X-Forwarded-For from %s is ignored, because it is not trusted: %s",
                network,
                CONSEQUENCE,
            )


def is_internal(address: str) -> bool:
    """Whether an address is of this machine or of a network that the internet cannot reach."""
    try:
        return not ip_address(network_of(address).partition("/")[0]).is_global
    except ValueError:
        return False
