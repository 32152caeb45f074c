"""Declare the interface through which pages read and replay webhook deliveries.

`webhooks` stores them, and `web` may not import it: `server.app` passes an implementation in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from deskwire.kit.clock import Millis


class DeliverySummary(Protocol):
    """A delivery in a list. Times are in milliseconds."""

    @property
    def id(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def type(self) -> str | None: ...
    @property
    def state(self) -> str: ...
    @property
    def reasons(self) -> Sequence[str]: ...
    @property
    def signed_at(self) -> Millis: ...
    @property
    def received_at(self) -> Millis: ...
    @property
    def handled_at(self) -> Millis | None: ...
    @property
    def attempts(self) -> int: ...


class DeliveryDetail(DeliverySummary, Protocol):
    """One delivery, with its body as it arrived."""

    @property
    def body(self) -> bytes: ...


class FindDeliveries(Protocol):
    """Find the newest deliveries, newest first.

    An empty `state` or `source` matches any; `before` is an exclusive id, 0 for no bound.
    """

    def __call__(
        self, tx: Connection, limit: int, *, state: str, source: str, before: int
    ) -> Sequence[DeliverySummary]: ...


@dataclass(frozen=True, slots=True)
class DeliveryStore:
    """The functions through which pages use deliveries."""

    states: Sequence[str]
    find_newest: FindDeliveries
    read_sources: Callable[[Connection], Iterable[str]]
    read_one: Callable[[Connection, int], DeliveryDetail]  # raises NotFound
    replay: Callable[[Connection, int], None]  # Conflict if there is nothing to replay
    dismiss: Callable[[Connection, int, Millis], None]
    wake_worker: Callable[[], None]
