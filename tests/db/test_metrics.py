"""A scrape while the database does not answer: the rest is told all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deskwire.server.control import Lock
from deskwire.server.metrics import Metrics
from deskwire.server.services import Opened, running
from deskwire.settings import load
from tests.fixtures.databases import file_of, new_database

OF_THE_DATABASE = {"deskwire_log_position", "deskwire_log_lag", "deskwire_deliveries_pending"}

pytestmark = pytest.mark.database("sqlite")  # figures do not depend on it


async def test_what_only_the_database_knows_is_absent_while_it_is_silent(tmp_path: Path) -> None:
    db = new_database(tmp_path)
    settings = load({"database_url": f"sqlite:///{file_of(db)}"})
    async with running(settings, Opened(db, Lock(file_of(db))), []) as services:
        metrics = Metrics(services, dict, "0")
        before = await samples(metrics)

        db.close()
        after = await samples(metrics)

    assert before - after == OF_THE_DATABASE
    assert "deskwire_dispatched_position" in after


async def samples(metrics: Metrics) -> set[str]:
    """The names of the figures in the text, of those that are there from the start."""
    families = text_string_to_metric_families((await metrics.read()).decode())
    return {sample.name for family in families for sample in family.samples}
