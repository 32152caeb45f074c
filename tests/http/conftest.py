"""Provide one site per test, with a few tickets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.fixtures.cast import CY, create_desk
from tests.fixtures.request_page import RequestPageFixture, create_request_page
from tests.fixtures.site import SiteFixture


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteFixture]:
    """Create a site where Bo has a ticket in the Harbour that Ada has claimed; Cy has one too."""
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "The crane is stuck")
    desk.claim_ticket(1)
    desk.open_ticket(2, "Where is my container?", CY)
    yield SiteFixture(desk)
    desk.db.close()


@pytest.fixture
def request_page(tmp_path: Path) -> Iterator[RequestPageFixture]:
    """Create a site with a request that Bo opened in the Quay."""
    desk = create_desk(tmp_path)
    yield create_request_page(desk)
    desk.db.close()


@pytest.fixture
def sql_statements() -> Iterator[list[str]]:
    """Record the statements sent to any database."""
    sent: list[str] = []

    def remember(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    yield sent
    event.remove(Engine, "before_cursor_execute", remember)
