"""Test the connections to PostgreSQL: what fails is an error that every caller expects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.events import log
from deskwire.kit.postgres import Postgres
from tests.fixtures.postgres import get_server

pytestmark = pytest.mark.database("postgresql")


@pytest.fixture
def db() -> Iterator[Postgres]:
    opened = Postgres(get_server().create_migrated())
    yield opened
    opened.close()


def test_a_standby_that_is_still_read_only_counts_as_an_outage(db: Postgres) -> None:
    def write_to_standby(tx: Connection) -> None:
        tx.exec_driver_sql("SET TRANSACTION READ ONLY")
        log.begin_epoch(tx)

    with pytest.raises(OperationalError, match="read-only"):
        db.write_sync(write_to_standby)
