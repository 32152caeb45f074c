"""Redaction: paths that hold a secret, as they may be written down."""

from __future__ import annotations

import logging
import re

SECRET = re.compile(r"(/welcome/)[^/?#\s]+", re.IGNORECASE)


def redact(path: str) -> str:
    """`/welcome/TOKEN` → `/welcome/…`; every other path, URL or log line as it is."""
    return SECRET.sub(r"\1…", path)


class RedactPaths(logging.Filter):
    """Put it on the logger `uvicorn.access`, whose third argument is the path and query."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(redact(a) if isinstance(a, str) else a for a in record.args)
        return True
