"""What several tests of the database begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.staffed_portal import Office, open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """The team's organization, two clients', and who is in them."""
    opened = open_office(tmp_path)
    yield opened
    opened.house.db.close()
