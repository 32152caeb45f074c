"""What can go wrong, as kinds a caller can act on.

    Refusal
    ├── Invalid        the input cannot be accepted as it is
    ├── Unauthenticated  nobody is signed in
    ├── Forbidden      known, but not allowed
    ├── NotFound       does not exist, or not for you (the two are never told apart)
    ├── Conflict       contradicts what is already there
    ├── TooMany        allowed later
    ├── TooLarge       more bytes than are taken
    └── Upstream       another system failed

The message is shown to the person who caused it: what was refused, the value, what to do.
HTTP statuses are mapped in one place, `web/errors.py`.
"""

from __future__ import annotations


class Refusal(Exception):
    """A request that is answered with a sentence instead of a result."""


class Invalid(Refusal):
    """The input cannot be accepted. `fields` maps a field's name to its sentence."""

    def __init__(self, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = fields or {}


class Unauthenticated(Refusal):
    """Nobody is signed in."""


class Forbidden(Refusal):
    """Signed in, but not allowed."""


class NotFound(Refusal):
    """Does not exist, or is not this viewer's to see."""


class Conflict(Refusal):
    """Contradicts what is already there."""


class RateLimited(Refusal):
    """Allowed again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLarge(Refusal):
    """More bytes than are taken."""


class Upstream(Refusal):
    """Another system failed; `permanent` says that trying again will not help."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent
