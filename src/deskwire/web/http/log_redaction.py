"""Redaction: paths that hold a secret, as they may be written down, and payloads that do."""

from __future__ import annotations

import json
import re
from typing import Any

SECRET = re.compile(r"(/(?:welcome|verify|reset|invitations)/)[^/?#\s]+", re.IGNORECASE)

# Names of fields whose value is nobody's to read: `accessToken`, `client_secret`, `Authorization`.
HIDDEN = re.compile(
    r"token|secret|passw|passphrase|authorization|cookie|credential|signature|(?:api|private)[-_]?key",
    re.IGNORECASE,
)
PAIR = re.compile(
    rf'("[^"\n]{{0,80}}(?:{HIDDEN.pattern})[^"\n]{{0,80}}"\s*:\s*)"[^"]*"', re.IGNORECASE
)
MASK = "••••"
LONGEST = 100_000  # characters of a payload that are shown; more is a file


def redact(path: str) -> str:
    """`/welcome/TOKEN` → `/welcome/…`; every other path, URL or log line as it is."""
    return SECRET.sub(r"\1…", path)


def pretty(body: bytes) -> str:
    """A payload for people: JSON on many lines, whatever else as it came; secrets hidden, and what
    is too long cut."""
    text = body.decode("utf-8", "replace")
    try:
        shown = json.dumps(_masked(json.loads(text)), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        shown = PAIR.sub(rf'\1"{MASK}"', redact(text))
    shown = shown.encode("utf-8", "replace").decode()  # JSON may say half characters
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}\n… ({len(shown):,} characters)"


def _masked(value: Any) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict():
            return {k: MASK if HIDDEN.search(k) and v else _masked(v) for k, v in value.items()}
        case list():
            return [_masked(each) for each in value]
        case str():
            return redact(value)
    return value
