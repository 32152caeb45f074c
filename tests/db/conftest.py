"""Provide fixtures shared by several tests of the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal


@pytest.fixture
def staffed_portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    """The team's organization, two clients', and who is in them."""
    opened = create_staffed_portal(tmp_path)
    yield opened
    opened.desk.db.close()
