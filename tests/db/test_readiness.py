"""Test that a server says it is not ready while what requests need is out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from deskwire.kit import postgres
from deskwire.server.readiness import Readiness
from tests.db.test_full_disk import message
from tests.fixtures.running_desk import RunningDesk, open_running_desk

pytestmark = pytest.mark.database("postgresql")


@contextmanager
def locked_table(url: str, table: str) -> Iterator[None]:
    """Let another program hold a table, as a migration by hand does."""
    with psycopg.connect(url) as other:
        other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield
        other.rollback()


async def find_problems_anew(desk: RunningDesk) -> list[str]:
    """What a server says that has not been asked yet."""
    return await Readiness(desk.db, desk.hub, ()).find_problems()


@pytest.mark.parametrize("table", ["deliveries", "outbox"])
async def test_a_table_that_accepts_no_writes_is_a_problem(tmp_path: Path, table: str) -> None:
    async with open_running_desk(tmp_path) as desk:
        assert await find_problems_anew(desk) == []

        with locked_table(desk.url, table):
            [problem] = await find_problems_anew(desk)

        assert problem.startswith("the database accepts no writes")
        assert await find_problems_anew(desk) == []


async def test_readiness_fails_until_deliveries_can_be_stored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**postgres._WRITER_SETTINGS, "lock_timeout": "10ms"}
    monkeypatch.setattr(postgres, "_WRITER_SETTINGS", settings)
    async with open_running_desk(tmp_path) as desk:
        readiness = desk.services.readiness
        assert await readiness.find_problems() == []

        with locked_table(desk.url, "deliveries"):
            with pytest.raises(OperationalError, match="lock timeout"):
                await desk.services.intake.store(message(1, desk.clock))
            for _ in range(2):
                [problem] = await readiness.find_problems()
                assert problem.startswith("the database accepts no writes")

        assert await readiness.find_problems() == []


async def test_write_checks_are_cached_for_a_while(tmp_path: Path) -> None:
    time = 0.0
    async with open_running_desk(tmp_path) as desk:
        readiness = Readiness(desk.db, desk.hub, (), lambda: time)
        assert await readiness.find_problems() == []

        with locked_table(desk.url, "deliveries"):
            at_once = await readiness.find_problems()
            time = 10.0
            [later] = await readiness.find_problems()

        assert at_once == []
        assert later.startswith("the database accepts no writes")
