"""One site per test with tickets that every story needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.fixtures.cast import CY, build
from tests.fixtures.request_page import Shown, show
from tests.fixtures.site import WholeSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WholeSite]:
    """Bo has a ticket in the Harbour that Ada has claimed; Cy has one there too."""
    house = build(tmp_path)
    house.open_ticket(1, "The crane is stuck")
    house.claim(1)
    house.open_ticket(2, "Where is my container?", CY)
    yield WholeSite(house)
    house.db.close()


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    """Bo's request of the Quay."""
    house = build(tmp_path)
    yield show(house)
    house.db.close()


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """What was sent to any database meanwhile."""
    sent: list[str] = []

    def remember(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    yield sent
    event.remove(Engine, "before_cursor_execute", remember)
