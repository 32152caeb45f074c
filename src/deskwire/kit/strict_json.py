"""Parse JSON strictly by RFC 8259, so that every parsed value can be stored and passed on."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic_core import from_json

from deskwire.kit.errors import Invalid

# Only such a number can overflow a double; the fast parser would return infinity for it.
_MAY_OVERFLOW = re.compile(rb"\d(?:[eE]\+?\d{3}|\d{300})")


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """Parse `text` (bytes as UTF-8).

    Raises Invalid for malformed JSON, NaN, a number that overflows a double, a lone surrogate, and
    nesting of more than about two hundred levels.
    """
    try:
        value = from_json(text, allow_inf_nan=False)
        if _MAY_OVERFLOW.search(text.encode() if isinstance(text, str) else text):
            json.loads(text, parse_float=_parse_finite)
    except ValueError as error:
        raise Invalid(str(error)) from None
    return value


def _parse_finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # 1e999: JSON has no infinity
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def parse_json_object(name: str, text: str) -> dict[str, Any]:
    """Parse `text` as a JSON object.

    Raises Invalid, with a message that begins with `name`, if it is not one.
    """
    try:
        value = parse_json(text)
    except Invalid as reason:
        raise Invalid(f"{name} must be a JSON object, not {text[:200]!r}: {reason}") from None
    if not isinstance(value, dict):
        raise Invalid(f"{name} must be a JSON object, not {text[:200]!r}")
    return value
