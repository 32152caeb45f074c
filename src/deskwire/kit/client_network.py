"""Tell which network an IP address counts as, where limits are per sender."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

MAX_TEXT_LENGTH = 64  # characters; an IP address is shorter, but a broken proxy may send more
IPV6_PREFIX_BITS = 64  # one customer is given all addresses of a /64


@lru_cache(1024)
def network_of(client_ip: str | None) -> str:
    """Return the network an IP address is counted as: IPv4 itself, IPv6 its /64, else the text."""
    try:
        ip = ip_address(client_ip or "")
    except ValueError:
        return (client_ip or "unknown")[:MAX_TEXT_LENGTH]
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(IPv6Network((int(ip), IPV6_PREFIX_BITS), strict=False))
    return str(ip)
