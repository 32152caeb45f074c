"""Test a scrape while the database does not answer: all other metrics are still reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deskwire.server.database_lock import DatabaseLock
from deskwire.server.metrics import Metrics
from deskwire.server.open_database import OpenedDatabase
from deskwire.server.services import run_services
from deskwire.settings import load_settings
from tests.fixtures.databases import create_database, sqlite_file

OF_THE_DATABASE = {
    "deskwire_log_position",
    "deskwire_log_lag",
    "deskwire_deliveries_pending",
    "deskwire_deliveries_oldest_age_seconds",
}

pytestmark = pytest.mark.database("sqlite")  # figures do not depend on it


async def test_database_metrics_are_absent_while_the_database_is_unresponsive(
    tmp_path: Path,
) -> None:
    db = create_database(tmp_path)
    settings = load_settings({"database_url": f"sqlite:///{sqlite_file(db)}"})
    async with run_services(
        settings, OpenedDatabase(db, DatabaseLock(sqlite_file(db))), []
    ) as services:
        metrics = Metrics(services, dict, "0")
        before = await samples(metrics)

        db.close()
        after = await samples(metrics)

    assert before - after == OF_THE_DATABASE
    assert "deskwire_dispatched_position" in after


async def samples(metrics: Metrics) -> set[str]:
    """The names of the figures in the text, of those that are there from the start."""
    families = text_string_to_metric_families((await metrics.render()).decode())
    return {sample.name for family in families for sample in family.samples}
