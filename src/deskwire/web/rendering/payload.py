"""Format the payload of a delivery for the administration, with its secrets masked."""

from __future__ import annotations

import json
import re
from typing import Any

from deskwire.kit.i18n import gettext
from deskwire.web.http.log_redaction import redact_secrets

# Fields whose value is a credential: `accessToken`, `client_secret`, `Authorization`.
SECRET_FIELD = re.compile(
    r"token|secret|passw|passphrase|authorization|cookie|credential|signature|(?:api|private)[-_]?key",
    re.IGNORECASE,
)
SECRET_PAIR = re.compile(
    rf'("[^"\n]{{0,80}}(?:{SECRET_FIELD.pattern})[^"\n]{{0,80}}"\s*:\s*)"[^"]*"', re.IGNORECASE
)
MASK = "••••"
MAX_CHARACTERS = 100_000  # characters of a payload that a page shows


def format_payload(body: bytes) -> str:
    """Return a payload as indented JSON, or as it came if it is not JSON.

    Secret values are masked, and the text is cut after MAX_CHARACTERS. A body that was erased is
    said to be.
    """
    if not body:
        return gettext("Erased: what it was about has been deleted or edited.")
    text = body.decode("utf-8", "replace")
    try:
        formatted = json.dumps(_mask_secrets(json.loads(text)), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        formatted = SECRET_PAIR.sub(rf'\1"{MASK}"', redact_secrets(text))
    formatted = formatted.encode("utf-8", "replace").decode()  # JSON can hold lone surrogates
    if len(formatted) <= MAX_CHARACTERS:
        return formatted
    return f"{formatted[:MAX_CHARACTERS]}\n… ({len(formatted):,} characters)"


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
            return redact_secrets(value)
    return value
