"""Deliveries as pages need them. What keeps them (`webhooks`) is below us; `app` hands it in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from deskwire.kit.clock import Millis


class DeliverySummary(Protocol):
    """A delivery in a list. Times in ms."""

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
    """One delivery, with the bytes as they arrived."""

    @property
    def body(self) -> bytes: ...


class FindDeliveries(Protocol):
    """The newest deliveries, newest first; nothing: of any state or source, from the newest on."""

    def __call__(
        self, tx: Connection, limit: int, *, state: str, source: str, before: int
    ) -> Sequence[DeliverySummary]: ...


@dataclass(frozen=True, slots=True)
class DeliveryStore:
    """What pages may do with deliveries. `ring` wakes whoever works them out."""

    states: Sequence[str]
    find_newest: FindDeliveries
    read_sources: Callable[[Connection], Iterable[str]]
    read_one: Callable[[Connection, int], DeliveryDetail]  # NotFound where there is none
    replay: Callable[[Connection, int], None]  # Conflict where there is nothing to replay
    dismiss: Callable[[Connection, int, Millis], None]
    wake_worker: Callable[[], None]
