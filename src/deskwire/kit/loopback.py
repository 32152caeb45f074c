"""Recognize this machine's own loopback addresses and names."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def is_loopback_address(address: str) -> bool:
    """Whether the text is a loopback IP address; False for names and anything else."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    # A socket of both families reports 127.0.0.1 as ::ffff:127.0.0.1.
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return (mapped or ip).is_loopback


def is_loopback_host(host: str) -> bool:
    """Whether a host in a URL, without brackets, is this machine: an address or `localhost`."""
    return host.lower() == "localhost" or is_loopback_address(host)
