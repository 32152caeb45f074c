"""Check docs/metrics.md against /metrics: names, kinds and labels; alerts use existing metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric

from deskwire.server.database_lock import DatabaseLock
from deskwire.server.metrics import DeskCollector
from deskwire.server.open_database import OpenedDatabase
from deskwire.server.services import run_services
from deskwire.settings import load_settings
from tests.contracts.source_files import read_file
from tests.fixtures.databases import create_database, sqlite_file

PAGE = read_file("docs/metrics.md")
ROW = re.compile(r"^\| `(\w+)` \| (counter|gauge|histogram) \| ([a-z, ]*?) ?\| \S", re.MULTILINE)
ALERT = re.compile(r"^\| [^|`]+ \| `([^`]+)`", re.MULTILINE)
OF_PROMETHEUS = {"up"}


@pytest.fixture
async def families(tmp_path: Path) -> list[Metric]:
    """Everything a desk tells that has just begun."""
    db = create_database(tmp_path)
    settings = load_settings({"database_url": f"sqlite:///{sqlite_file(db)}"})
    async with run_services(
        settings, OpenedDatabase(db, DatabaseLock(sqlite_file(db))), []
    ) as services:
        found = list(DeskCollector(services, dict, "0").collect())
    db.close()
    return found


async def test_the_page_lists_every_metric_with_its_kind_and_labels(
    families: list[Metric],
) -> None:
    documented = [row for row in ROW.findall(PAGE) if row[0].startswith("deskwire_")]

    assert [(name, kind, labels) for name, kind, labels in documented] == [
        (name_of(family), kind_of(family), ", ".join(labels_of(family))) for family in families
    ], "the tables of docs/metrics.md are not what server/metrics.py says, in its order"


def test_the_page_lists_the_process_metrics() -> None:
    process = ProcessCollector(registry=CollectorRegistry())
    documented = {row[:2] for row in ROW.findall(PAGE)}

    assert {(name_of(each), kind_of(each)) for each in process.collect()} <= documented


async def test_metric_names_follow_the_prometheus_conventions(families: list[Metric]) -> None:
    for family in families:
        name = name_of(family)
        assert re.fullmatch(r"deskwire(_[a-z]+)+", name)
        assert (name.endswith("_total")) == isinstance(family, CounterMetricFamily), name
        is_duration = name.endswith("_seconds") and not name.endswith("_age_seconds")
        assert is_duration == (family.type == "histogram"), name
        assert family.documentation.endswith("."), name


def test_every_alert_uses_existing_metrics() -> None:
    documented = {row[0] for row in ROW.findall(PAGE)} | OF_PROMETHEUS
    alerts = ALERT.findall(PAGE.partition("## Alerts")[2])

    assert len(alerts) > 10
    for expression in alerts:
        plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", expression)
        asked = {name.removesuffix("_bucket") for name in re.findall(r"\b(?:\w+_\w+|up)\b", plain)}
        unknown = asked - documented - {"histogram_quantile", "max_over_time"}
        assert not unknown, f"docs/metrics.md: an alert asks for {unknown}"
        assert asked & documented, f"docs/metrics.md: `{expression}` asks for nothing of ours"


def name_of(family: Metric) -> str:
    """As it stands in the text format."""
    return family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")


def kind_of(family: Metric) -> str:
    return "gauge" if family.type == "info" else family.type


def labels_of(family: Metric) -> list[str]:
    if family.type == "info":
        return list(family.samples[0].labels)
    return list(family._labelnames)  # type: ignore[attr-defined]
