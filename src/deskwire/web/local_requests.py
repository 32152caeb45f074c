"""Recognize requests that a program on this machine sends directly to this server.

A loopback peer alone proves nothing. A proxy on this machine connects for everyone; it is
recognized by the headers it adds. And a page of a stranger's site whose name leads to 127.0.0.1
(DNS rebinding) has the reader's own browser connect, and reads the response; it is recognized by
that name in `Host`, which no page can change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from deskwire.kit.loopback import is_loopback_address

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
# Any of these shows that the request came through a proxy, a CDN or a tunnel.
FORWARDING_HEADERS = frozenset(
    {
        "forwarded",
        "via",
        "cdn-loop",
        "client-ip",
        "fastly-client-ip",
        "proxy-connection",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-host",
        "x-original-host",
        "x-proxyuser-ip",
    }
)
FORWARDING_PREFIXES = ("x-forwarded", "x-original-forwarded", "x-real-", "x-envoy-", "cf-")
HOST_HEADER = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]+)(?::[0-9]*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LocalRequests:
    """The requests from this machine to a server that listens on `host`, the setting HOST."""

    host: str = ""

    def contains(self, request: HTTPConnection) -> bool:
        """Whether a program on this machine connects without a proxy, and by a local name."""
        return (
            is_loopback_peer(request)
            and not is_forwarded(request.headers.keys())
            and self.has_local_name(request)
        )

    def has_local_name(self, request: HTTPConnection) -> bool:
        """Whether the only `Host` is localhost, 127.0.0.1, [::1] or HOST, with any port."""
        headers = request.headers.getlist("host")
        name = parse_host_name(headers[0]) if len(headers) == 1 else None
        return name is not None and name in LOCAL_NAMES | {_format_host(self.host)}


LOCAL_REQUESTS = LocalRequests()  # of a server whose HOST adds no name


def is_loopback_peer(request: HTTPConnection) -> bool:
    """Whether the connection is from this machine; False for Unix sockets and test clients."""
    return request.client is not None and is_loopback_address(request.client.host)


def is_forwarded(header_names: Iterable[str]) -> bool:
    """Whether a header shows that a proxy sent the request; `header_names` are in lower case."""
    return any(
        name in FORWARDING_HEADERS or name.startswith(FORWARDING_PREFIXES) for name in header_names
    )


def parse_host_name(header: str) -> str | None:
    """Return the name in a `Host` header in lower case, without the port; None if it is invalid.

    IPv6 addresses keep their brackets.
    """
    match = HOST_HEADER.fullmatch(header)
    return match[1].lower() if match else None


def _format_host(host: str) -> str:
    return f"[{host}]".lower() if ":" in host else host.lower()
