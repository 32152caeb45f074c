"""Metrics: the process's own figures in the Prometheus text format, read when they are asked for.

Nothing is counted here. Each part keeps plain numbers (`realtime/stats.py`, the door, the worker,
the database's threads), and a scrape reads them. docs/metrics.md is compared with this by a test.
Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Connection

from deskwire.events import log
from deskwire.kit.timing import BOUNDS, Durations
from deskwire.realtime.stats import Counts
from deskwire.server.services import Services
from deskwire.webhooks.deliveries import State, count_pending

PATIENCE = 2.0  # s for the database; a scraper gives up after ten, and wants the rest all the same

K = TypeVar("K", bound=str)
V = TypeVar("V")
Values = Iterable[tuple[Sequence[str | None], V]]  # the values of the labels, and the figure
Answers = Mapping[tuple[str, int], int]  # of the door: (source, status)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """What only the database knows."""

    head: int  # of the log
    pending: int  # deliveries not understood yet


class Metrics:
    """`read` is what /metrics answers."""

    def __init__(self, services: Services, answers: Callable[[], Answers], version: str) -> None:
        self._services = services
        self._own = DeskCollector(services, answers, version)
        self._registry = CollectorRegistry(auto_describe=True)  # refuses a name given twice
        self._registry.register(self._own)
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    async def read(self) -> bytes:
        """Our own figures, read in one turn of the loop, and those of the process.

        The latter come from /proc, which lists every open file: in a thread, away from the loop.
        """
        self._own.stored = await self._ask_database()
        return generate_latest(self._registry) + await asyncio.to_thread(
            generate_latest, self._process
        )

    async def _ask_database(self) -> Stored | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._services.db.read(_read_stored)
        except Exception:
            logger.exception("the database did not answer a scrape")
            return None


class DeskCollector(Collector):
    """Our own figures."""

    def __init__(self, services: Services, answers: Callable[[], Answers], version: str) -> None:
        self._services = services
        self._answers = answers
        self._version = version
        self.stored: Stored | None = None  # None: the database did not answer

    def collect(self) -> Iterator[Metric]:
        services = self._services
        yield from _streams(services.hub.counts, services.hub.waiting)
        yield from _events(services.hub.counts)
        yield from _positions(services.hub.window.head, self.stored)
        yield from _webhooks(self._answers(), services.worker.outcomes, self.stored)
        yield from _machine(services)
        build = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("deskwire_build", "Which Deskwire this is.", build)


def _read_stored(tx: Connection) -> Stored:
    return Stored(log.read_head(tx), count_pending(tx))


def _streams(counts: Counts, waiting: int) -> Iterator[Metric]:
    open_now = {scope: n - counts.closed[scope] for scope, n in counts.opened.items()}
    starts = counts.starts.items()
    yield _gauge("deskwire_streams_open", "Streams open now.", ["scope"], _by(open_now))
    yield _gauge("deskwire_streams_waiting", "Streams that wait for access.", [], _one(waiting))
    yield _counter(
        "deskwire_streams_opened_total", "Streams opened.", ["scope"], _by(counts.opened)
    )
    yield _counter(
        "deskwire_streams_ended_total", "Streams that are over.", ["reason"], _by(counts.endings)
    )
    yield _counter(
        "deskwire_streams_connected_total", "First frames.", ["verdict", "because"], starts
    )
    yield _counter(
        "deskwire_streams_reset_total",
        "Open streams told to reload.",
        ["because"],
        _by(counts.resets),
    )


def _events(counts: Counts) -> Iterator[Metric]:
    sends = {"live": counts.sends, "caught-up": counts.caught_up}
    sizes = {"live": counts.sent_bytes, "caught-up": counts.caught_up_bytes}
    spread = "From the first to the last write of a run of events."
    yield _counter(
        "deskwire_events_total", "Events dispatched to the streams.", ["type"], _by(counts.events)
    )
    yield _counter(
        "deskwire_sends_total", "Events written, once for each stream.", ["way"], _by(sends)
    )
    yield _counter("deskwire_sent_bytes_total", "Bytes of these events.", ["way"], _by(sizes))
    yield _histogram("deskwire_fan_out_seconds", spread, [], _one(counts.fan_out))


def _positions(dispatched: int, stored: Stored | None) -> Iterator[Metric]:
    head = _one(stored.head) if stored else []
    lag = _one(max(0, stored.head - dispatched)) if stored else []
    yield _gauge("deskwire_log_position", "The newest position of the log.", [], head)
    yield _gauge(
        "deskwire_dispatched_position", "The newest position dispatched.", [], _one(dispatched)
    )
    yield _gauge("deskwire_log_lag", "Events of the log that are not dispatched yet.", [], lag)


def _webhooks(
    answers: Answers, outcomes: Mapping[tuple[str, State], int], stored: Stored | None
) -> Iterator[Metric]:
    by_status = [((source, str(status)), n) for (source, status), n in answers.items()]
    pending = _one(stored.pending) if stored else []
    yield _counter(
        "deskwire_webhooks_total", "Answers of the door.", ["source", "status"], by_status
    )
    yield _counter(
        "deskwire_deliveries_total",
        "Deliveries worked off.",
        ["source", "outcome"],
        outcomes.items(),
    )
    yield _gauge(
        "deskwire_deliveries_pending", "Deliveries kept and not worked off yet.", [], pending
    )


def _machine(services: Services) -> Iterator[Metric]:
    threads = services.db.threads.items()
    works = [((kind,), pool.works) for kind, pool in threads]
    waits = [((kind,), pool.waits) for kind, pool in threads]
    late = "How late the event loop comes to what is due."
    broken = len(services.broken)
    yield _histogram("deskwire_database_seconds", "Transactions, begin to end.", ["kind"], works)
    yield _histogram("deskwire_database_wait_seconds", "Their wait for a thread.", ["kind"], waits)
    yield _histogram("deskwire_loop_lag_seconds", late, [], _one(services.lags))
    yield _gauge("deskwire_services_broken", "Services being started again.", [], _one(broken))


def _one(figure: V) -> Values[V]:
    """A figure without labels."""
    return [((), figure)]


def _by(counted: Mapping[K, V]) -> Values[V]:
    """Figures by one label."""
    return [((label,), figure) for label, figure in counted.items()]


def _counter(name: str, says: str, labels: list[str], values: Values[int]) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for own, value in values:
        family.add_metric(_written(own), value)
    return family


def _gauge(name: str, says: str, labels: list[str], values: Values[int]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for own, value in values:
        family.add_metric(_written(own), value)
    return family


def _histogram(name: str, says: str, labels: list[str], values: Values[Durations]) -> Metric:
    family = HistogramMetricFamily(name, says, labels=labels)
    for own, durations in values:
        counts, total = durations.read()
        family.add_metric(_written(own), _buckets(counts), total)
    return family


def _written(labels: Sequence[str | None]) -> list[str]:
    return [label or "" for label in labels]  # to Prometheus, empty and absent are the same


def _buckets(counts: Iterable[int]) -> list[tuple[str, float]]:
    """Each bucket with those before it, as the format wants them."""
    return list(zip([*map(str, BOUNDS), "+Inf"], accumulate(counts), strict=True))
