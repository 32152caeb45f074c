"""Redaction: paths that hold a secret, as they may be written down, and payloads that do."""

from __future__ import annotations

import json
import re
from typing import Any

SECRET_PATH = re.compile(r"(/(?:welcome|verify|reset|invitations)/)[^/?#\s]+", re.IGNORECASE)

# Names of fields whose value is nobody's to read: `accessToken`, `client_secret`, `Authorization`.
SECRET_FIELD = re.compile(
    r"token|secret|passw|passphrase|authorization|cookie|credential|signature|(?:api|private)[-_]?key",
    re.IGNORECASE,
)
SECRET_PAIR = re.compile(
    rf'("[^"\n]{{0,80}}(?:{SECRET_FIELD.pattern})[^"\n]{{0,80}}"\s*:\s*)"[^"]*"', re.IGNORECASE
)
MASK = "••••"
MAX_CHARACTERS = 100_000  # characters of a payload that are shown; more is a file


def redact_paths(path: str) -> str:
    """`/welcome/TOKEN` → `/welcome/…`; every other path, URL or log line as it is."""
    return SECRET_PATH.sub(r"\1…", path)


def format_payload(body: bytes) -> str:
    """A payload for people: JSON on many lines, whatever else as it came; secrets hidden, and what
    is too long cut."""
    text = body.decode("utf-8", "replace")
    try:
        shown = json.dumps(_mask_secrets(json.loads(text)), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        shown = SECRET_PAIR.sub(rf'\1"{MASK}"', redact_paths(text))
    shown = shown.encode("utf-8", "replace").decode()  # JSON may say half characters
    return (
        shown
        if len(shown) <= MAX_CHARACTERS
        else f"{shown[:MAX_CHARACTERS]}\n… ({len(shown):,} characters)"
    )


def _mask_secrets(value: Any) -> Any:  # noqa: ANN401 - JSON
    match value:
        case dict():
            return {
                k: MASK if SECRET_FIELD.search(k) and v else _mask_secrets(v)
                for k, v in value.items()
            }
        case list():
            return [_mask_secrets(each) for each in value]
        case str():
            return redact_paths(value)
    return value
