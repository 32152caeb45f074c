"""Every test runs over a taken socket and over plain ASGI: what a stream says is the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import Server, running

WAYS = {"taken": ("-m", "deskwire"), "plain": ("-m", "tests.plain_serve")}


@pytest.fixture(scope="session", params=WAYS)
def way(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """How a server is started: with the takeover, or without."""
    return WAYS[request.param]


@pytest.fixture(scope="session")
def server(way: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server"), way) as started:
        yield started
