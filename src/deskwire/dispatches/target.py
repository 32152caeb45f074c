"""Define what a target is, and the outcomes of an attempt to send a dispatch.

The class of an answer decides what follows, never its text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import Connection

from deskwire.dispatches.store import Dispatch
from deskwire.kit.clock import Millis

MAX_RESULT = 1024  # characters kept of an answer


@dataclass(frozen=True, slots=True)
class Done:
    """The other side accepted the effect, or there was nothing to say.

    `result` is the status and the id of its answer, never a text of ours.
    """

    result: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side judged this effect, and refused it. It counts as an attempt.

    `permanent`: trying again will not help. `recipient_gone`: nor will any other effect on this
    recipient be accepted. `retry_after` is in s, if the answer said so.
    """

    reason: str
    permanent: bool = False
    recipient_gone: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The other side judged nothing: unreachable, overloaded, or refusing our credentials.

    The target pauses, or all of its effects of this kind (`scope`); no attempt is counted. With
    `may_be_the_effect`, as for a status 5xx, it counts as one if it repeats while other effects
    succeed.
    """

    reason: str
    retry_after: float | None = None
    scope: Literal["target", "kind"] = "target"
    may_be_the_effect: bool = False


Outcome = Done | Refused | Unavailable
BeginFunction = Callable[[], None]  # called when the other side may act from now on


class Target(Protocol):
    """Another system that dispatches are sent to."""

    name: str
    limit: int  # dispatches sent at the same time
    timeout: float  # s for one attempt
    stop_timeout: float  # s that an attempt may still take at shutdown, once it has begun
    max_age: Millis | None  # after which a dispatch is dead; None: never
    # What a dead dispatch does to the later ones of its key: they wait for an operator, or go on.
    on_dead: Literal["blocks", "skips"]
    has_secrets: bool  # whether payloads are emptied once they are done or dead (SECRET_TARGETS)

    def find_obstacle(self, tx: Connection, dispatch: Dispatch, at: Millis) -> str | None:
        """Return why a dispatch is not to be sent any more, as its result; None if it is."""

    def record_gone(self, tx: Connection, dispatch: Dispatch, at: Millis) -> None:
        """Record that the recipient is gone, in the transaction that records the outcome."""

    async def send(self, dispatch: Dispatch, begin: BeginFunction) -> Outcome:
        """Send one dispatch; call `begin` before the other side may act.

        Text is read and permissions are asked here, so that what was edited or deleted since it was
        queued is not sent. Raises nothing on purpose: an exception counts as a refusal.
        """
