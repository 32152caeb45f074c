"""Define the errors a caller can act on.

    Refusal
    ├── Invalid          the input cannot be accepted as it is
    ├── Unauthenticated  no one is signed in
    ├── Forbidden        signed in, but not allowed
    ├── NotFound         does not exist, or is hidden from this viewer (indistinguishable)
    ├── Conflict         contradicts the current state
    ├── RateLimited      allowed again later
    ├── TooLarge         more bytes than accepted
    ├── Unavailable      a part of the installation does not work right now
    └── Upstream         another system failed

The person who caused the error sees its message: what was refused, the value, what to do.
`web/errors.py` maps each kind to its HTTP status.
"""

from __future__ import annotations


class Refusal(Exception):
    """A request was refused, for a reason that the message explains."""


class Invalid(Refusal):
    """The input cannot be accepted. `fields` maps the names of invalid fields to messages."""

    def __init__(self, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


class Unauthenticated(Refusal):
    """No one is signed in."""


class Forbidden(Refusal):
    """Signed in, but not allowed."""


class NotFound(Refusal):
    """Does not exist, or this viewer may not see it."""


class Conflict(Refusal):
    """Contradicts the current state."""


class RateLimited(Refusal):
    """Too many attempts; allowed again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(Refusal):
    """More bytes than accepted."""


class Unavailable(Refusal):
    """A part of the installation does not work right now; `reason` is for the log, in one line."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Upstream(Refusal):
    """Another system failed. If `permanent`, trying again will not help."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent
