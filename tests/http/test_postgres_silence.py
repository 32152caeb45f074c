"""Test a server whose connections to PostgreSQL stay open and fall silent."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fixtures.postgres import get_server
from tests.fixtures.server import running_server
from tests.fixtures.silent_proxy import SilentProxy

pytestmark = pytest.mark.database("postgresql")


def test_with_a_silent_database_the_server_is_unready_and_still_stops(tmp_path: Path) -> None:
    direct = get_server().create_migrated()
    port = urlsplit(direct).port or 5432
    with SilentProxy(port) as proxy:
        url = direct.replace(f":{port}/", f":{proxy.port}/")
        with running_server(tmp_path, DATABASE_URL=url) as server:
            proxy.go_silent()

            ready = server.get("/readyz")
            assert ready.status == 503
            assert "the database does not answer" in ready.text
            assert server.get("/healthz").status == 200

            _, exit_code = server.stop()  # it fails if that takes too long
            assert exit_code == 0
