"""Test `Idempotency-Key` end to end: two servers on one PostgreSQL, and one that is killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from deskwire.accounts.idempotency import LEASE, idempotency_keys
from deskwire.kit.db import Database
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import TIMEOUT, PageResponse, Server, running_server

pytestmark = pytest.mark.database("postgresql")

BODY = json.dumps({"subject": "The lamp is dark", "text": "Since this morning."}).encode()
POLL_INTERVAL = 0.02  # s


@contextmanager
def two_servers(folder: Path) -> Iterator[tuple[Server, Server]]:
    """Run two servers on the same database."""
    (folder / "two").mkdir()
    with (
        running_server(folder) as one,
        running_server(
            folder / "two", DATABASE_URL=one.database_url, BOT_WEBHOOK_SECRET=one.secret
        ) as two,
    ):
        yield one, two


def file_request(server: Server, company: HttpCompany) -> PageResponse:
    headers = {
        "Content-Type": "application/json",
        "Cookie": company.clara,
        "Origin": server.url,
        "Idempotency-Key": "7f9c",
    }
    return server.request("POST", f"/api/requests?organization={company.slug}", BODY, headers)


@contextmanager
def blocked_request_numbers(db: Database) -> Iterator[None]:
    """Hold the lock that numbers an organization's requests, so that none can be created."""
    with db._writer.connect() as tx, tx.begin() as transaction:
        tx.execute(text("SELECT * FROM request_numbers FOR UPDATE"))
        yield
        transaction.rollback()


def wait_for_running_call(db: Database) -> None:
    """Return once a call has been recorded as running."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if [row.state for row in db.read_sync(read_rows)] == ["running"]:
            return
        time.sleep(POLL_INTERVAL)
    raise AssertionError("no call has begun")


def read_rows(tx: Connection) -> list[Any]:
    return [*tx.execute(select(idempotency_keys))]


def list_subjects(server: Server, company: HttpCompany) -> list[str]:
    path = f"/api/requests?organization={company.slug}"
    return [each["subject"] for each in json.loads(server.get(path, company.clara).body)["items"]]


def test_d7_two_servers_take_one_call_once(tmp_path: Path) -> None:
    with two_servers(tmp_path) as (one, two), one.open_database() as db:
        company = HttpCompany(one)
        company.create_request(company.clara, "The first")
        with ThreadPoolExecutor(1) as threads:
            with blocked_request_numbers(db):
                running = threads.submit(file_request, one, company)
                wait_for_running_call(db)
                meanwhile = file_request(two, company)
            first = running.result(TIMEOUT)
        again = file_request(two, company)

        assert (meanwhile.status, meanwhile.headers["retry-after"]) == (409, "1")
        assert (first.status, again.status) == (201, 201)
        assert again.body == first.body
        assert again.headers["idempotency-replayed"] == "true"
        assert list_subjects(one, company) == ["The lamp is dark", "The first"]


def test_a_call_of_a_killed_server_is_made_once_by_another(tmp_path: Path) -> None:
    with two_servers(tmp_path) as (one, two), one.open_database() as db:
        company = HttpCompany(one)
        company.create_request(company.clara, "The first")
        with ThreadPoolExecutor(1) as threads:
            with blocked_request_numbers(db):
                running = threads.submit(file_request, one, company)
                wait_for_running_call(db)
                one.kill()
            assert running.exception(TIMEOUT) is not None
        [row] = db.read_sync(read_rows)
        early = file_request(two, company)
        earlier = {"started_at": row.started_at - LEASE}
        db.write_sync(lambda tx: tx.execute(idempotency_keys.update().values(earlier)))

        late = file_request(two, company)

        assert early.status == 409
        assert (late.status, late.headers.get("idempotency-replayed")) == (201, None)
        assert list_subjects(two, company) == ["The lamp is dark", "The first"]
