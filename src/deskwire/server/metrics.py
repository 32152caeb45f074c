"""Render the metrics of this process in the Prometheus text format.

Nothing is counted here. Each part keeps plain numbers (`realtime/stats.py`, the door, the worker,
the database's threads), and a scrape reads them. A test compares docs/metrics.md with this module.
Names: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections import Counter
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

from deskwire.dispatches import admin as dispatches
from deskwire.events import log
from deskwire.events.consumers.admin import ConsumerState, list_consumers
from deskwire.kit.clock import Millis, now
from deskwire.kit.threads import DaemonThreadPool
from deskwire.kit.timing import BUCKET_BOUNDS, DurationHistogram
from deskwire.realtime.stats import HubStats
from deskwire.server.proxy_headers import Peer
from deskwire.server.services import Services
from deskwire.webhooks.deliveries import DeliveryState, count_pending, find_oldest_pending

DATABASE_TIMEOUT = 2.0  # s; a scrape times out after 10 s and wants the other metrics anyway

K = TypeVar("K", bound=str)
V = TypeVar("V")
Samples = Iterable[tuple[Sequence[str | None], V]]  # (label values, figure)
ResponseCounts = Mapping[tuple[str, int], int]  # (source, HTTP status) → responses of the door

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatabaseMetrics:
    """The metrics that come from the database."""

    log_position: int
    pending_deliveries: int
    oldest_pending_delivery: Millis | None  # when it arrived
    consumers: Sequence[ConsumerState]
    dispatches: Mapping[tuple[str, str], int]  # by target and state
    oldest_dispatches: Mapping[str, Millis]  # when the oldest of a target became due


class Metrics:
    """The metrics of a process; `render` returns the body of a response to /metrics."""

    def __init__(
        self,
        services: Services,
        read_response_counts: Callable[[], ResponseCounts],
        version: str,
        read_ignored_counts: Callable[[], Counter[Peer]] = Counter,
    ) -> None:
        self._services = services
        self._collector = DeskCollector(
            services, read_response_counts, version, read_ignored_counts
        )
        self._registry = CollectorRegistry(auto_describe=True)  # also refuses duplicate names
        self._registry.register(self._collector)
        self._process_registry = CollectorRegistry()
        ProcessCollector(registry=self._process_registry)
        self._threads = DaemonThreadPool("metrics", 1)

    async def render(self) -> bytes:
        """Render our own metrics, read in one turn of the event loop, and those of the process.

        The latter are read in a thread, because /proc lists every open file.
        """
        self._collector.database_metrics = await self._query_database()
        return generate_latest(self._registry) + await self._threads.run(
            generate_latest, self._process_registry
        )

    async def _query_database(self) -> DatabaseMetrics | None:
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                return await self._services.db.read(_read_database_metrics)
        except Exception:
            logger.exception("metrics could not be read from the database")
            return None


class DeskCollector(Collector):
    """Collect our own metrics."""

    def __init__(
        self,
        services: Services,
        read_response_counts: Callable[[], ResponseCounts],
        version: str,
        read_ignored_counts: Callable[[], Counter[Peer]] = Counter,
    ) -> None:
        self._services = services
        self._response_counts = read_response_counts
        self._version = version
        self._ignored_counts = read_ignored_counts
        self.database_metrics: DatabaseMetrics | None = None  # None: could not be read

    def collect(self) -> Iterator[Metric]:
        services = self._services
        yield from _collect_streams(services.hub.stats, services.hub.awaiting_access)
        yield from _collect_events(services.hub.stats)
        yield from _collect_positions(services.hub.buffer.head, self.database_metrics)
        yield from _collect_webhooks(
            self._response_counts(), services.worker.outcomes, self.database_metrics
        )
        yield from _collect_consumers(services, self.database_metrics)
        yield from _collect_dispatches(services, self.database_metrics)
        yield from _collect_process(services)
        yield _create_counter(
            "deskwire_untrusted_forwards_total",
            "Requests with X-Forwarded-For whose sender is not trusted.",
            ["peer"],
            _labelled(self._ignored_counts()),
        )
        build = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("deskwire_build", "Version of Deskwire and Python.", build)


def _read_database_metrics(tx: Connection) -> DatabaseMetrics:
    return DatabaseMetrics(
        log.read_head(tx),
        count_pending(tx),
        find_oldest_pending(tx),
        list_consumers(tx),
        dispatches.count_by_target_and_state(tx),
        dispatches.find_oldest_due(tx),
    )


def _collect_streams(counts: HubStats, waiting: int) -> Iterator[Metric]:
    open_now = {scope: n - counts.closed[scope] for scope, n in counts.opened.items()}
    starts = counts.starts.items()
    yield _create_gauge(
        "deskwire_streams_open", "Streams open now.", ["scope"], _labelled(open_now)
    )
    yield _create_gauge(
        "deskwire_streams_waiting", "Streams waiting for authorization.", [], _unlabelled(waiting)
    )
    yield _create_counter(
        "deskwire_streams_opened_total", "Streams opened.", ["scope"], _labelled(counts.opened)
    )
    yield _create_counter(
        "deskwire_streams_ended_total",
        "Streams ended.",
        ["reason"],
        _labelled(counts.close_reasons),
    )
    yield _create_counter(
        "deskwire_streams_connected_total", "Connected frames sent.", ["verdict", "because"], starts
    )
    yield _create_counter(
        "deskwire_streams_reset_total",
        "Resets sent to open streams.",
        ["because"],
        _labelled(counts.resets),
    )


def _collect_events(counts: HubStats) -> Iterator[Metric]:
    sends = {"live": counts.sends, "caught-up": counts.replayed}
    sizes = {"live": counts.sent_bytes, "caught-up": counts.replayed_bytes}
    fan_out_help = "From the first to the last write of a batch of events."
    yield _create_counter(
        "deskwire_events_total",
        "Events published to the streams.",
        ["type"],
        _labelled(counts.events),
    )
    yield _create_counter(
        "deskwire_sends_total", "Events written, once per stream.", ["way"], _labelled(sends)
    )
    yield _create_counter(
        "deskwire_sent_bytes_total", "Bytes of these events.", ["way"], _labelled(sizes)
    )
    yield _create_histogram(
        "deskwire_fan_out_seconds", fan_out_help, [], _unlabelled(counts.fanout_durations)
    )


def _collect_positions(
    published: int, database_metrics: DatabaseMetrics | None
) -> Iterator[Metric]:
    head = _unlabelled(database_metrics.log_position) if database_metrics else []
    lag = _unlabelled(max(0, database_metrics.log_position - published)) if database_metrics else []
    yield _create_gauge("deskwire_log_position", "The latest position in the log.", [], head)
    yield _create_gauge(
        "deskwire_dispatched_position",
        "The latest position published to the streams.",
        [],
        _unlabelled(published),
    )
    yield _create_gauge(
        "deskwire_log_lag", "Events in the log that are not published yet.", [], lag
    )


def _collect_webhooks(
    response_counts: ResponseCounts,
    outcomes: Mapping[tuple[str, DeliveryState], int],
    database_metrics: DatabaseMetrics | None,
) -> Iterator[Metric]:
    by_status = [((source, str(status)), n) for (source, status), n in response_counts.items()]
    pending = _unlabelled(database_metrics.pending_deliveries) if database_metrics else []
    age = (
        _unlabelled(_age_in_seconds(database_metrics.oldest_pending_delivery))
        if database_metrics
        else []
    )
    yield _create_counter(
        "deskwire_webhooks_total", "Responses to webhooks.", ["source", "status"], by_status
    )
    yield _create_counter(
        "deskwire_deliveries_total",
        "Deliveries processed.",
        ["source", "outcome"],
        outcomes.items(),
    )
    yield _create_gauge(
        "deskwire_deliveries_pending", "Deliveries stored and not processed yet.", [], pending
    )
    yield _create_gauge("deskwire_deliveries_oldest_age_seconds", "Age of the oldest.", [], age)


def _collect_consumers(
    services: Services, database_metrics: DatabaseMetrics | None
) -> Iterator[Metric]:
    states = database_metrics.consumers if database_metrics else ()
    lags = [((each.name,), each.lag) for each in states]
    ages = [((each.name,), _age_in_seconds(each.behind_since)) for each in states]
    aside = [((each.name,), each.failure_count) for each in states]
    yield _create_gauge("deskwire_consumer_lag", "Events not planned yet.", ["consumer"], lags)
    yield _create_gauge(
        "deskwire_consumer_lag_age_seconds", "Age of the oldest of them.", ["consumer"], ages
    )
    yield _create_gauge("deskwire_consumer_set_aside", "Events set aside.", ["consumer"], aside)
    yield _create_counter(
        "deskwire_consumer_planned_total",
        "Events planned.",
        ["consumer"],
        _labelled(services.reach.consumers.planned),
    )
    yield _create_counter(
        "deskwire_consumer_failures_total",
        "Attempts to plan an event that failed.",
        ["consumer"],
        _labelled(services.reach.consumers.failed),
    )


def _collect_dispatches(
    services: Services, database_metrics: DatabaseMetrics | None
) -> Iterator[Metric]:
    counts = database_metrics.dispatches if database_metrics else {}
    oldest = database_metrics.oldest_dispatches if database_metrics else {}
    ages = [((target,), _age_in_seconds(due_at)) for target, due_at in oldest.items()]
    yield _create_gauge(
        "deskwire_dispatches",
        "Dispatches that are not sent yet, or were given up.",
        ["target", "state"],
        counts.items(),
    )
    yield _create_gauge(
        "deskwire_dispatches_oldest_age_seconds",
        "How long the longest waiting one has been due.",
        ["target"],
        ages,
    )
    yield _create_counter(
        "deskwire_dispatch_attempts_total",
        "Attempts to send a dispatch.",
        ["target", "outcome"],
        services.reach.dispatcher.outcomes.items(),
    )


def _age_in_seconds(since: Millis | None) -> int:
    return 0 if since is None else max(0, now() - since) // 1000


def _collect_process(services: Services) -> Iterator[Metric]:
    threads = services.db.thread_pools.items()
    run_times = [((kind,), pool.run_times) for kind, pool in threads]
    wait_times = [((kind,), pool.wait_times) for kind, pool in threads]
    lag_help = "How late the event loop wakes a sleeping task."
    broken = len(services.broken_services)
    yield _create_histogram(
        "deskwire_database_seconds", "Duration of transactions.", ["kind"], run_times
    )
    yield _create_histogram(
        "deskwire_database_wait_seconds", "Their wait for a thread.", ["kind"], wait_times
    )
    lag = _unlabelled(services.loop_lag)
    yield _create_histogram("deskwire_loop_lag_seconds", lag_help, [], lag)
    yield _create_gauge(
        "deskwire_services_broken", "Services being restarted.", [], _unlabelled(broken)
    )


def _unlabelled(value: V) -> Samples[V]:
    """Return one figure without labels."""
    return [((), value)]


def _labelled(counted: Mapping[K, V]) -> Samples[V]:
    """Return figures by one label."""
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
    """Return cumulative buckets, as the format requires: each includes those before it."""
    return list(zip([*map(str, BUCKET_BOUNDS), "+Inf"], accumulate(counts), strict=True))
