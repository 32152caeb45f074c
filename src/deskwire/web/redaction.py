"""Redaction: paths that hold a secret, as they may be written down."""

from __future__ import annotations

import re

SECRET = re.compile(r"(/(?:welcome|verify|reset|invitations)/)[^/?#\s]+", re.IGNORECASE)


def redact(path: str) -> str:
    """`/welcome/TOKEN` → `/welcome/…`; every other path, URL or log line as it is."""
    return SECRET.sub(r"\1…", path)
