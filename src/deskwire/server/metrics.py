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
from deskwire.kit.timing import BUCKET_BOUNDS, DurationHistogram
from deskwire.realtime.stats import HubStats
from deskwire.server.services import Services
from deskwire.webhooks.deliveries import DeliveryState, count_pending

DATABASE_TIMEOUT = 2.0  # s; a scraper gives up after 10, and wants the other metrics anyway

K = TypeVar("K", bound=str)
V = TypeVar("V")
Samples = Iterable[tuple[Sequence[str | None], V]]  # the values of the labels, and the figure
ResponseCounts = Mapping[tuple[str, int], int]  # of the door: (source, status)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatabaseMetrics:
    """What only the database knows."""

    log_position: int  # of the log
    pending_deliveries: int  # deliveries not understood yet


class Metrics:
    """`read` is what /metrics answers."""

    def __init__(
        self, services: Services, read_response_counts: Callable[[], ResponseCounts], version: str
    ) -> None:
        self._services = services
        self._collector = DeskCollector(services, read_response_counts, version)
        self._registry = CollectorRegistry(auto_describe=True)  # refuses a name given twice
        self._registry.register(self._collector)
        self._process_registry = CollectorRegistry()
        ProcessCollector(registry=self._process_registry)

    async def render(self) -> bytes:
        """Our own figures, read in one turn of the loop, and those of the process.

        The latter come from /proc, which lists every open file: in a thread, away from the loop.
        """
        self._collector.database_metrics = await self._query_database()
        return generate_latest(self._registry) + await asyncio.to_thread(
            generate_latest, self._process_registry
        )

    async def _query_database(self) -> DatabaseMetrics | None:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                return await self._services.db.read(_read_database_metrics)
        except Exception:
            logger.exception("the database did not answer a scrape")
            return None


class DeskCollector(Collector):
    """Our own figures."""

    def __init__(
        self, services: Services, read_response_counts: Callable[[], ResponseCounts], version: str
    ) -> None:
        self._services = services
        self._response_counts = read_response_counts
        self._version = version
        self.database_metrics: DatabaseMetrics | None = None  # None: the database did not answer

    def collect(self) -> Iterator[Metric]:
        services = self._services
        yield from _collect_streams(services.hub.stats, services.hub.awaiting_access)
        yield from _collect_events(services.hub.stats)
        yield from _collect_positions(services.hub.buffer.head, self.database_metrics)
        yield from _collect_webhooks(
            self._response_counts(), services.worker.outcomes, self.database_metrics
        )
        yield from _collect_process(services)
        build = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("deskwire_build", "Which Deskwire this is.", build)


def _read_database_metrics(tx: Connection) -> DatabaseMetrics:
    return DatabaseMetrics(log.read_head(tx), count_pending(tx))


def _collect_streams(counts: HubStats, waiting: int) -> Iterator[Metric]:
    open_now = {scope: n - counts.closed[scope] for scope, n in counts.opened.items()}
    starts = counts.starts.items()
    yield _create_gauge(
        "deskwire_streams_open", "Streams open now.", ["scope"], _labelled(open_now)
    )
    yield _create_gauge(
        "deskwire_streams_waiting", "Streams that wait for access.", [], _unlabelled(waiting)
    )
    yield _create_counter(
        "deskwire_streams_opened_total", "Streams opened.", ["scope"], _labelled(counts.opened)
    )
    yield _create_counter(
        "deskwire_streams_ended_total",
        "Streams that are over.",
        ["reason"],
        _labelled(counts.close_reasons),
    )
    yield _create_counter(
        "deskwire_streams_connected_total", "First frames.", ["verdict", "because"], starts
    )
    yield _create_counter(
        "deskwire_streams_reset_total",
        "Open streams told to reload.",
        ["because"],
        _labelled(counts.resets),
    )


def _collect_events(counts: HubStats) -> Iterator[Metric]:
    sends = {"live": counts.sends, "caught-up": counts.replayed}
    sizes = {"live": counts.sent_bytes, "caught-up": counts.replayed_bytes}
    spread = "From the first to the last write of a run of events."
    yield _create_counter(
        "deskwire_events_total",
        "Events dispatched to the streams.",
        ["type"],
        _labelled(counts.events),
    )
    yield _create_counter(
        "deskwire_sends_total", "Events written, once for each stream.", ["way"], _labelled(sends)
    )
    yield _create_counter(
        "deskwire_sent_bytes_total", "Bytes of these events.", ["way"], _labelled(sizes)
    )
    yield _create_histogram(
        "deskwire_fan_out_seconds", spread, [], _unlabelled(counts.fanout_durations)
    )


def _collect_positions(
    published: int, database_metrics: DatabaseMetrics | None
) -> Iterator[Metric]:
    head = _unlabelled(database_metrics.log_position) if database_metrics else []
    lag = _unlabelled(max(0, database_metrics.log_position - published)) if database_metrics else []
    yield _create_gauge("deskwire_log_position", "The newest position of the log.", [], head)
    yield _create_gauge(
        "deskwire_dispatched_position",
        "The newest position dispatched.",
        [],
        _unlabelled(published),
    )
    yield _create_gauge(
        "deskwire_log_lag", "Events of the log that are not dispatched yet.", [], lag
    )


def _collect_webhooks(
    response_counts: ResponseCounts,
    outcomes: Mapping[tuple[str, DeliveryState], int],
    database_metrics: DatabaseMetrics | None,
) -> Iterator[Metric]:
    by_status = [((source, str(status)), n) for (source, status), n in response_counts.items()]
    pending = _unlabelled(database_metrics.pending_deliveries) if database_metrics else []
    yield _create_counter(
        "deskwire_webhooks_total", "Answers of the door.", ["source", "status"], by_status
    )
    yield _create_counter(
        "deskwire_deliveries_total",
        "Deliveries worked off.",
        ["source", "outcome"],
        outcomes.items(),
    )
    yield _create_gauge(
        "deskwire_deliveries_pending", "Deliveries kept and not worked off yet.", [], pending
    )


def _collect_process(services: Services) -> Iterator[Metric]:
    threads = services.db.thread_pools.items()
    works = [((kind,), pool.run_times) for kind, pool in threads]
    waits = [((kind,), pool.wait_times) for kind, pool in threads]
    late = "How late the event loop comes to what is due."
    broken = len(services.broken_services)
    yield _create_histogram(
        "deskwire_database_seconds", "Transactions, begin to end.", ["kind"], works
    )
    yield _create_histogram(
        "deskwire_database_wait_seconds", "Their wait for a thread.", ["kind"], waits
    )
    yield _create_histogram("deskwire_loop_lag_seconds", late, [], _unlabelled(services.loop_lag))
    yield _create_gauge(
        "deskwire_services_broken", "Services being started again.", [], _unlabelled(broken)
    )


def _unlabelled(value: V) -> Samples[V]:
    """A figure without labels."""
    return [((), value)]


def _labelled(counted: Mapping[K, V]) -> Samples[V]:
    """Figures by one label."""
    return [((label,), figure) for label, figure in counted.items()]


def _create_counter(
    name: str, documentation: str, labels: list[str], samples: Samples[int]
) -> Metric:
    family = CounterMetricFamily(name, documentation, labels=labels)
    for own, value in samples:
        family.add_metric(_format_labels(own), value)
    return family


def _create_gauge(
    name: str, documentation: str, labels: list[str], samples: Samples[int]
) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for own, value in samples:
        family.add_metric(_format_labels(own), value)
    return family


def _create_histogram(
    name: str, documentation: str, labels: list[str], samples: Samples[DurationHistogram]
) -> Metric:
    family = HistogramMetricFamily(name, documentation, labels=labels)
    for own, durations in samples:
        counts, total = durations.read()
        family.add_metric(_format_labels(own), _accumulate_buckets(counts), total)
    return family


def _format_labels(labels: Sequence[str | None]) -> list[str]:
    return [label or "" for label in labels]  # to Prometheus, empty and absent are the same


def _accumulate_buckets(counts: Iterable[int]) -> list[tuple[str, float]]:
    """Each bucket with those before it, as the format wants them."""
    return list(zip([*map(str, BUCKET_BOUNDS), "+Inf"], accumulate(counts), strict=True))
