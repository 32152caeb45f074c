"""Test that an erasure goes on after SIGKILL, where it was."""

from __future__ import annotations

from pathlib import Path

from bench.busy_company import ENTRY_TEXT, BusyCompany, fill_database
from bench.guild_owner import COOKIE_NAME
from sqlalchemy import Connection, func, select

from deskwire.events.erasure import list_erasures
from deskwire.events.log import log
from deskwire.tickets.messages import messages
from tests.fixtures.databases import create_database_url
from tests.fixtures.erasure import find_marker
from tests.fixtures.serve_with_stuck_erasure import STUCK_FILE
from tests.fixtures.server import running_server
from tests.fixtures.stream_server import wait_until

STUCK_COMMAND = ("-m", "tests.fixtures.serve_with_stuck_erasure")
ENTRY_COUNT = 5_000  # of the log; about twenty slices
PATIENCE = 120.0  # s for what takes a second or two on a machine that is not busy


def count_entries(tx: Connection) -> int:
    """Count the entries that still have their text."""
    query = select(func.count()).where(log.c.data.contains(ENTRY_TEXT))
    return int(tx.execute(query).scalar_one())


def count_messages(tx: Connection, company: BusyCompany) -> int:
    query = select(func.count()).where(messages.c.ticket == company.request)
    return int(tx.execute(query).scalar_one())


def test_the_erasure_of_a_large_organization_continues_after_sigkill(tmp_path: Path) -> None:
    url = create_database_url(tmp_path)
    company = fill_database(url, 1, ENTRY_COUNT, 0)
    with running_server(tmp_path, STUCK_COMMAND, DATABASE_URL=url) as server:
        form = {"act": "delete", "confirmed": "Busy"}
        cookie = f"{COOKIE_NAME}={company.member_tokens[0]}"
        assert server.submit_form("/orgs/busy/settings", cookie, **form).status == 303
        wait_until(lambda: (tmp_path / STUCK_FILE).exists(), PATIENCE)

        server.kill()

        with server.open_database() as db:
            assert 0 < db.read_sync(count_entries) < ENTRY_COUNT
            [unfinished] = db.read_sync(list_erasures, 0)
            assert unfinished.target == company.organization

    with running_server(tmp_path, DATABASE_URL=url) as server, server.open_database() as db:
        wait_until(lambda: not db.read_sync(list_erasures, 0), PATIENCE)

        assert find_marker(db, ENTRY_TEXT) == []
        assert db.read_sync(count_messages, company) == 0
