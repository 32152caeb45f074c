"""Problems (RFC 9457): the one list of what programs are told went wrong; docs/api.md is its copy.

The `code` is for programs and never changes its meaning; `detail` is a sentence for people.
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
    "too-large",
    "unsupported-media-type",
    "invalid",
    "too-many",
    "broken",
    "upstream",
    "unavailable",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem: its HTTP status, and what it means."""

    status: int
    title: str


PROBLEMS: Mapping[ProblemCode, Problem] = {
    "malformed": Problem(400, "The body is not JSON."),
    "signed-out": Problem(401, "Nobody is signed in."),
    "forbidden": Problem(403, "Your role does not allow it."),
    "foreign-origin": Problem(403, "The request does not say that it comes from this desk."),
    "no-active-organization": Problem(403, "You are in no organization; `href` founds one."),
    "not-found": Problem(404, "It does not exist, or is not shared with you."),
    "method-not-allowed": Problem(
        405, "The address does not take this method; `Allow` says which."
    ),
    "too-slow": Problem(408, "The body did not arrive in time."),
    "conflict": Problem(409, "It contradicts what is there."),
    "too-large": Problem(413, "More bytes than are taken."),
    "unsupported-media-type": Problem(415, "The body is of another type than the address takes."),
    "invalid": Problem(422, "Something in it cannot be accepted; `errors` says what."),
    "too-many": Problem(429, "Allowed again after `Retry-After` seconds."),
    "broken": Problem(500, "A mistake of ours; the log has it under `reference`."),
    "upstream": Problem(502, "Another system did not answer."),
    "unavailable": Problem(503, "The database takes nothing now; try after `Retry-After` seconds."),
}
CODE_BY_STATUS: Mapping[int, ProblemCode] = {
    PROBLEMS[code].status: code for code in reversed([*PROBLEMS])
}


def render_problem(
    code: ProblemCode, detail: str, extra: Mapping[str, object] | None = None
) -> bytes:
    """A problem document (RFC 9457, section 3)."""
    kind = PROBLEMS[code]
    body = {"type": problem_url(code), "title": kind.title, "status": kind.status}
    whole = {**body, "code": code, "detail": detail, **(extra or {})}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def problem_url(code: ProblemCode) -> str:
    """Where a problem is described; what a document has as its `type`."""
    return f"/api/docs#problem-{code}"


def json_pointer(*segments: str | int) -> str:
    """A place in a JSON document as a fragment (RFC 6901, section 6): `#/files/0`."""
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in segments)
    return "#" + "".join(f"/{quote(part, safe='~')}" for part in parts)
