"""Hold the state of one open stream, and define its legal state transitions.

A live subscription is written the events of its channels as they happen. In every other state
nothing is written as it happens and `position` stands still, so that the stream continues from
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, Protocol, assert_never

from deskwire.events.channels import STAFF_CHANNEL, Channel, Channels, SubjectId, Workspace
from deskwire.kit.clock import Millis

StreamScope = Literal["all", "guilds", "requests"]
ResumeOutcome = Literal["live", "resumed", "reset"]
ResumeReason = Literal["behind", "epoch", "future", "unreadable", "slow"]
GoodbyeReason = Literal["signed-out", "too-many-streams", "restart"]


class Transport(Protocol):
    """What a fan-out writes to."""

    def write(self, data: bytes, /) -> None: ...


class Writer(Protocol):
    """The sending side of a stream. It accepts bytes and never waits."""

    @property
    def transport(self) -> Transport:
        """The object that `write` ends up writing to, constant for the writer's life.

        A fan-out writes to it directly.
        """

    def write(self, data: bytes) -> None:
        """Accept `data`; call `Hub.pause` when too much of it has not been sent yet."""

    def end(self) -> None:
        """Send what was accepted, then close."""

    def abort(self) -> None:
        """Close now, and drop what was not sent."""


class Draining(Exception):
    """The process is shutting down and accepts no more streams."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The subject a stream belongs to, and what it was opened with: a session, or an API key."""

    subject: SubjectId
    session: str
    expires_at: Millis


class ChannelSets(NamedTuple):
    """The channels a person may hear on each kind of stream; one tuple where they are equal."""

    all: Channels
    guilds: Channels
    requests: Channels

    def in_scope(self, scope: StreamScope) -> Channels:
        match scope:
            case "all":
                return self.all
            case "guilds":
                return self.guilds
            case "requests":
                return self.requests
            case _:
                assert_never(scope)


def is_in_scope(scope: StreamScope, channel: Channel, workspace: Workspace | None) -> bool:
    """Whether a channel belongs on a stream of `scope`; `workspace` is None for a person's own."""
    if scope == "all":
        return True
    if channel == STAFF_CHANNEL:  # staff receive events about requests on it
        return scope == "requests"
    return workspace is None or workspace.startswith("guild:" if scope == "guilds" else "org:")


class SubscriptionState(Enum):
    """The states of a subscription (decision 0036).

    Independent of it, `is_paused` says that the writer is full. A paused subscription is never
    LIVE.
    """

    SUSPENDED = "waits for access, or replays from the buffer"
    RESUMING = "returned with a cursor and has not reached the head; may read the log"
    LOADING = "waits for a page of the log"
    LIVE = "is written to by the fan-out"
    CLOSED = "has ended"

    __hash__ = object.__hash__  # Enum's own is Python code that hashes the name


TRANSITIONS: Mapping[SubscriptionState, frozenset[SubscriptionState]] = {
    # Only `Hub.subscribe` moves a subscription to RESUMING; it starts as SUSPENDED.
    SubscriptionState.SUSPENDED: frozenset(
        {SubscriptionState.RESUMING, SubscriptionState.LIVE, SubscriptionState.CLOSED}
    ),
    SubscriptionState.RESUMING: frozenset(
        {
            SubscriptionState.SUSPENDED,  # it was reset
            SubscriptionState.LOADING,
            SubscriptionState.LIVE,
            SubscriptionState.CLOSED,
        }
    ),
    SubscriptionState.LOADING: frozenset(
        {
            SubscriptionState.SUSPENDED,  # it was reset
            SubscriptionState.RESUMING,
            SubscriptionState.CLOSED,
        }
    ),
    SubscriptionState.LIVE: frozenset({SubscriptionState.SUSPENDED, SubscriptionState.CLOSED}),
    SubscriptionState.CLOSED: frozenset(),
}

# Looking a member up in its class costs a call on Python 3.11.
LIVE, CLOSED = SubscriptionState.LIVE, SubscriptionState.CLOSED
CANNOT_REPLAY = (SubscriptionState.CLOSED, SubscriptionState.LOADING)

NO_PENDING_NOTICES: Mapping[Channel, bytes] = {}  # shared by all subscriptions that have none


class Subscription:
    """The state of one open stream. Only the hub and its parts write the fields."""

    __slots__ = (
        "announced_channels",
        "caller",
        "channels",
        "id",
        "is_paused",
        "outcome",
        "pending_notices",
        "position",
        "reason",
        "scope",
        "state",
        "writer",
    )

    def __init__(self, id_: str, caller: Caller, scope: StreamScope, writer: Writer) -> None:
        self.id = id_
        self.caller = caller
        self.scope: StreamScope = scope
        self.writer = writer
        self.state: SubscriptionState = (
            SubscriptionState.SUSPENDED
        )  # written by `Hub._enter_state` only
        self.is_paused = False  # the writer is full
        self.position = 0  # while not LIVE: the newest entry dealt with
        self.channels: Channels = ()  # held now
        self.announced_channels: Channels | None = None  # None until the stream is connected
        self.outcome: ResumeOutcome | None = None
        self.reason: ResumeReason | None = None
        self.pending_notices: Mapping[Channel, bytes] = NO_PENDING_NOTICES  # sent once LIVE

    def forget_replay(self) -> None:
        """Forget why it is replayed: its position means nothing any more."""
        self.reason = None

    @property
    def is_live(self) -> bool:
        return self.state is LIVE

    @property
    def is_closed(self) -> bool:
        return self.state is CLOSED


def check_transition(subscription: Subscription, state: SubscriptionState) -> None:
    """Raise RuntimeError unless `subscription` may enter `state` from the one it is in."""
    may_enter = state in TRANSITIONS[subscription.state]
    if not may_enter or (subscription.is_paused and state is LIVE):
        paused = " while it is paused" if subscription.is_paused else ""
        raise RuntimeError(
            f"subscription {subscription.id} cannot go from {subscription.state.name} to "
            f"{state.name}{paused}"
        )
