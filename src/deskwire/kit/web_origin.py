"""Normalize the origin of a URL: its scheme, host and port (RFC 6454)."""

from __future__ import annotations

from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def normalize_origin(url: str) -> str | None:
    """Return `https://desk.example` for `HTTPS://Desk.example:443/x`; None if it has no origin."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    suffix = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def parse_origins(text: str) -> tuple[str, ...]:
    """Parse origins separated by commas. Raises ValueError for anything that is not just one."""
    origins: dict[str, None] = {}
    for each in filter(None, map(str.strip, text.split(","))):
        origin = normalize_origin(each)
        if origin is None or any(urlsplit(each)[2:]) or set(each) & {"*", "@", "?", "#", "\\"}:
            raise ValueError(
                "must be origins separated by commas, such as https://status.example.org, each "
                "without a path and without *"
            )
        origins[origin] = None
    return tuple(origins)
