"""Test pages and API while another program has locked the database: 503, and when to try again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deskwire.kit import sqlite
from tests.fixtures.cast import BO, create_desk
from tests.fixtures.databases import sqlite_file
from tests.fixtures.request_page import create_request_page
from tests.fixtures.site import open_browser

pytestmark = pytest.mark.database("sqlite")


def test_writes_to_a_locked_database_are_answered_with_503_and_not_500(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 10)
    page = create_request_page(create_desk(tmp_path))
    db, browser = page.site.desk.db, open_browser(page.site, BO)

    with closing(sqlite3.connect(sqlite_file(db), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shown = browser.get(page.path)
        posted = browser.post(f"{page.path}/messages", data={"text": "It blinks"})
        called = browser.post(f"/api{page.path}/messages", json={"text": "It blinks"})
        other.execute("ROLLBACK")

    assert shown.status_code == 200
    for refused in (posted, called):
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert called.json()["code"] == "unavailable"
    assert browser.post(f"{page.path}/messages", data={"text": "It blinks"}).status_code == 303
    db.close()
