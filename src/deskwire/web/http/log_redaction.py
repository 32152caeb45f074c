"""Remove the secrets of links from paths before they are logged."""

from __future__ import annotations

import re

SECRET_PATH = re.compile(r"(/(?:welcome|verify|reset|invitations)/)[^/?#\s]+", re.IGNORECASE)


def redact_paths(text: str) -> str:
    """Replace `/welcome/TOKEN` by `/welcome/…`; leave any other path, URL or log line alone."""
    return SECRET_PATH.sub(r"\1…", text)
