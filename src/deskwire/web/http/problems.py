"""List every problem the API responds with (RFC 9457); docs/api.md repeats this list.

The `code` is for programs and never changes its meaning; `detail` is a message for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

PROBLEM_MEDIA_TYPE = "application/problem+json"
ProblemCode = Literal[
    "malformed",
    "signed-out",
    "forbidden",
    "foreign-origin",
    "no-active-organization",
    "not-found",
    "method-not-allowed",
    "too-slow",
    "conflict",
    "idempotency-in-progress",
    "too-large",
    "unsupported-media-type",
    "invalid",
    "idempotency-key-reused",
    "too-many",
    "broken",
    "upstream",
    "unavailable",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: its HTTP status and its title."""

    status: int
    title: str


PROBLEMS: Mapping[ProblemCode, Problem] = {
    "malformed": Problem(400, "The request is malformed, such as a body that is not valid JSON."),
    "signed-out": Problem(401, "You are not signed in."),
    "forbidden": Problem(403, "Your role does not allow this."),
    "foreign-origin": Problem(403, "The request did not come from a page of this desk."),
    "no-active-organization": Problem(403, "You are in no organization; create one at `href`."),
    "not-found": Problem(404, "It does not exist, or you have no access to it."),
    "method-not-allowed": Problem(
        405, "The URL does not support this method; `Allow` lists those it does."
    ),
    "too-slow": Problem(408, "The body took too long to arrive."),
    "conflict": Problem(409, "It conflicts with the current state."),
    "idempotency-in-progress": Problem(
        409,
        "The same call is still running; send it again after `Retry-After` seconds for its result.",
    ),
    "too-large": Problem(413, "The body or the file is too large."),
    "unsupported-media-type": Problem(415, "The URL does not accept a body of this media type."),
    "invalid": Problem(422, "The input is invalid; `errors` says what is wrong."),
    "idempotency-key-reused": Problem(
        422, "The `Idempotency-Key` was sent before with another body."
    ),
    "too-many": Problem(429, "Too many attempts; try again after `Retry-After` seconds."),
    "broken": Problem(500, "An internal error; the log has it under `reference`."),
    "upstream": Problem(502, "Another system did not respond."),
    "unavailable": Problem(
        503,
        "The database or the file store is unavailable, or the server is restarting; "
        "try again after `Retry-After` seconds.",
    ),
}
CODE_BY_STATUS: Mapping[int, ProblemCode] = {
    PROBLEMS[code].status: code for code in reversed([*PROBLEMS])
}


def render_problem(
    code: ProblemCode, detail: str, extra: Mapping[str, object] | None = None
) -> bytes:
    """Return a problem document as JSON (RFC 9457, section 3); `extra` holds further members."""
    problem = PROBLEMS[code]
    document = {
        "type": problem_url(code),
        "title": problem.title,
        "status": problem.status,
        "code": code,
        "detail": detail,
        **(extra or {}),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def problem_url(code: ProblemCode) -> str:
    """Return the `type` of a problem: the URL that describes it."""
    return f"/api/docs#problem-{code}"


def json_pointer(*segments: str | int) -> str:
    """Return a JSON pointer as a URI fragment, such as `#/files/0` (RFC 6901, section 6)."""
    escaped = (str(segment).replace("~", "~0").replace("/", "~1") for segment in segments)
    return "#" + "".join(f"/{quote(segment, safe='~')}" for segment in escaped)
