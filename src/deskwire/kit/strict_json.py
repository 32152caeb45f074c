"""JSON as it can be kept and passed on: RFC 8259, without what Python alone accepts."""

from __future__ import annotations

import json
import math
from typing import Any

from deskwire.kit.errors import Invalid


def parse_json(text: str) -> Any:  # noqa: ANN401 - JSON
    """The value of `text`. Invalid for NaN, a number no double holds, half a character."""
    try:
        value = _decode(text)
        if "\\u" in text:  # only an escape can bring half a surrogate pair
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError:
        raise Invalid("a \\u escape is half a character") from None
    except ValueError as error:
        raise Invalid(str(error)) from None
    except RecursionError:
        raise Invalid("it is nested too deeply") from None
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):  # 1e999: there is no JSON to keep it in
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite).decode


def parse_object(name: str, text: str) -> dict[str, Any]:
    """`text` as a JSON object; Invalid with a sentence that begins with `name` otherwise."""
    try:
        value = parse_json(text)
    except Invalid as reason:
        raise Invalid(f"{name} must be a JSON object, not {text[:200]!r}: {reason}") from None
    if not isinstance(value, dict):
        raise Invalid(f"{name} must be a JSON object, not {text[:200]!r}")
    return value
