"""Every test runs over a taken socket and over plain ASGI: what a stream says is the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.fixtures.server import Server, running_server

SERVER_COMMANDS = {
    "taken": ("-m", "deskwire"),
    "plain": ("-m", "tests.fixtures.serve_without_takeover"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Both ways on SQLite, one on PostgreSQL: how bytes leave has nothing to do with where from."""
    doubled = [item for item in items if _SKIPPED_COMBINATION.search(item.name)]
    config.hook.pytest_deselected(items=doubled)
    items[:] = [item for item in items if item not in doubled]


_SKIPPED_COMBINATION = re.compile(r"\[(?=.*\bpostgresql\b)(?=.*\bplain\b)")


@pytest.fixture(scope="session", params=SERVER_COMMANDS)
def server_command(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """How a server is started: with the takeover, or without."""
    return SERVER_COMMANDS[request.param]


@pytest.fixture(scope="session")
def server(
    server_command: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server"), server_command) as started:
        yield started
