"""JSON as it can be kept and passed on: RFC 8259, without what parsers beyond it accept."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic_core import from_json

from deskwire.kit.errors import Invalid

# Only such a number may be one no double holds, which the fast parser would call infinite.
_MAY_OVERFLOW = re.compile(rb"\d(?:[eE]\+?\d{3}|\d{300})")


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - JSON
    """The value of `text` (UTF-8). Invalid for NaN, a number no double holds, half a character,
    and what is nested more than some two hundred levels deep.
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
    if math.isinf(number):  # 1e999: there is no JSON to keep it in
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def parse_json_object(name: str, text: str) -> dict[str, Any]:
    """`text` as a JSON object; Invalid with a sentence that begins with `name` otherwise."""
    try:
        value = parse_json(text)
    except Invalid as reason:
        raise Invalid(f"{name} must be a JSON object, not {text[:200]!r}: {reason}") from None
    if not isinstance(value, dict):
        raise Invalid(f"{name} must be a JSON object, not {text[:200]!r}")
    return value
