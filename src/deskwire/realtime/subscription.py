"""A seat: one open stream, as the hub sees it.

Live, it is written what its channels say as it happens. Otherwise (joining, asking for access,
catching up, paused) nothing is written and `position` stands, so the seat goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, assert_never

from deskwire.events.channels import STAFF_CHANNEL, Channel, Channels, PersonId, Workspace
from deskwire.events.log import Entry
from deskwire.kit.clock import Millis

StreamScope = Literal["all", "guilds", "requests"]
ResumeOutcome = Literal["live", "resumed", "reset"]
ResumeReason = Literal["behind", "epoch", "future", "unreadable", "slow"]
GoodbyeReason = Literal["signed-out", "too-many-streams", "restart"]


class Transport(Protocol):
    """What a fan-out writes to."""

    def write(self, data: bytes, /) -> None: ...


class Writer(Protocol):
    """The way out of a seat: bytes go in, and never wait."""

    @property
    def transport(self) -> Transport:
        """What `write` writes to in the end, the same for good: a fan-out goes there directly."""

    def write(self, data: bytes) -> None:
        """Take `data`; calls the seat's `pause` when too much has not left yet."""

    def end(self) -> None:
        """Send what was taken, then close."""

    def abort(self) -> None:
        """Close now."""


class Draining(Exception):
    """This process is going down and takes no more streams."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose stream it is, and on which session's account."""

    person: PersonId
    session: str
    expires_at: Millis


class ChannelSets(NamedTuple):
    """What a person may hear on each kind of stream; one tuple where they are the same."""

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
    """Whether a channel, of `workspace` or (None) of a person, belongs on a stream of `scope`."""
    if scope == "all":
        return True
    if channel == STAFF_CHANNEL:  # by it the team hears requests
        return scope == "requests"
    return workspace is None or workspace.startswith("guild:" if scope == "guilds" else "org:")


NO_PENDING_NOTICES: Mapping[Channel, bytes] = {}  # one for all of them


class Subscription:
    """One open stream. The hub owns every field; nothing here decides anything."""

    __slots__ = (
        "announced_channels",
        "backfill",
        "backfill_end",
        "caller",
        "channels",
        "closed",
        "id",
        "live",
        "loading",
        "outcome",
        "paused",
        "pending_notices",
        "position",
        "reason",
        "resuming",
        "scope",
        "writer",
    )

    def __init__(self, id_: str, caller: Caller, scope: StreamScope, writer: Writer) -> None:
        self.id = id_
        self.caller = caller
        self.scope: StreamScope = scope
        self.writer = writer
        self.position = 0  # while not live: the newest entry dealt with
        self.channels: Channels = ()  # held now
        self.announced_channels: Channels | None = None  # held as far as the client knows
        self.backfill: Sequence[Entry] = ()  # older than the window, read from the log
        self.backfill_end = 0  # how far the log was read for it
        self.outcome: ResumeOutcome | None = None  # None until access has answered
        self.reason: ResumeReason | None = None
        self.live = False
        self.pending_notices: Mapping[Channel, bytes] = (
            NO_PENDING_NOTICES  # notices it is told once it is live
        )
        self.paused = False
        self.resuming = False  # came back with a cursor and has not reached the head yet
        self.loading = False  # its backlog is being read
        self.closed = False
