"""Provide the portal with its staff to the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal


@pytest.fixture
def staffed_portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    """Create the team's organization and two clients' organizations with their people."""
    opened = create_staffed_portal(tmp_path)
    yield opened
    opened.desk.db.close()
