"""Set up every test: one event loop, no network but loopback, the search profile, the database.

Imports nothing of Deskwire, so that a unit test starts as fast as what it tests: the fixtures
that need a server import it when they are used.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.fixtures.database_kind import DATABASE_KINDS, DatabaseKind, use_database_kind

if TYPE_CHECKING:
    from tests.fixtures.guild import GuildFixture
    from tests.fixtures.server import Server

for profile, max_examples in (("default", 100), ("thorough", 1000)):
    settings.register_profile(
        profile,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        max_examples=max_examples,
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that connects to another machine, with its address."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if host and not host.startswith("127.") and host not in ("localhost", "::1"):
            raise AssertionError(f"a test tried to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


EVERY_DATABASE_FOLDERS = ("tests/db/", "tests/http/")  # their tests run on every database kind


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with every kind of database; `@pytest.mark.database("sqlite")` chooses."""
    mark = metafunc.definition.get_closest_marker("database")
    runs_on_every_kind = metafunc.definition.nodeid.startswith(EVERY_DATABASE_FOLDERS)
    kinds = mark.args if mark else DATABASE_KINDS if runs_on_every_kind else ()
    if kinds:
        metafunc.parametrize("database", kinds, indirect=True, scope="session")


@pytest.fixture(scope="session", autouse=True)
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseKind]:
    """Choose the kind of every database created during the test."""
    with use_database_kind(getattr(request, "param", "sqlite")) as kind:
        yield kind


@pytest.fixture(scope="session")
def server(database: DatabaseKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Share a real server between all tests that do not need one of their own."""
    from tests.fixtures.server import running_server

    with running_server(tmp_path_factory.mktemp(f"server-{database}"), SSE_DEBUG="true") as started:
        yield started


@pytest.fixture
def guild(server: Server) -> GuildFixture:
    """Give the test a guild of its own on the shared server."""
    from tests.fixtures.guild import GuildFixture

    return GuildFixture(server)
