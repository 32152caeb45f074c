"""Test that the daily counts kept by triggers equal those computed from the facts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, text

from deskwire.events import channels
from deskwire.kit.clock import DAY, now
from deskwire.kit.db import is_postgresql
from deskwire.tickets.actions import update
from deskwire.tickets.queries.daily_counts import compute_daily_counts, request_days, to_epoch_day
from deskwire.tickets.queries.dashboard import (
    DashboardCounts,
    list_waiting_requests,
    read_dashboard_counts,
)
from tests.fixtures.cast import ADA, BO, CY, EVE, NOON, UNA, Persona, create_desk
from tests.fixtures.portal import PortalFixture, create_portal

FIRST = to_epoch_day(NOON)
THE_DAYS = import_module("deskwire.migrations.versions.0007_the_days")


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    """Bo's mast is asked about on the next day and done on the third; Una's invoice stays new."""
    desk = create_desk(tmp_path)
    built = create_portal(desk)
    mast = built.create_request(BO, "The mast is dark")
    built.create_request(UNA, "An invoice is missing")
    built.create_request(CY, "A mast of ours", slug="loft")
    desk.now += DAY
    built.act_as(ADA, update.update, mast, {"assignee": desk.person_id(ADA)})
    built.act_as(ADA, update.update, mast, {"status": "waiting"})
    desk.now += DAY
    built.act_as(ADA, update.update, mast, {"status": "done"})
    yield built
    desk.db.close()


def read_portal_figures(
    portal: PortalFixture, persona: Persona, slug: str | None = "quay"
) -> DashboardCounts:
    workspace = channels.organization(portal.organization_ids[slug]) if slug else None
    return portal.desk.db.read_sync(
        read_dashboard_counts, portal.desk.read_viewer(persona), workspace, FIRST - 1
    )


def read_history(
    found_: DashboardCounts, last: int = FIRST + 2
) -> list[tuple[int, dict[str, int]]]:
    days = compute_daily_counts(found_.counts, found_.daily_changes, last, 4)
    return [(day.day - FIRST, {s: n for s, n in day.counts.items() if n}) for day in days]


def kept(tx: Connection) -> set[tuple[str, int, str, int]]:
    rows = tx.execute(select(request_days).where(request_days.c.change != 0))
    return {(row.workspace, row.day, row.status, row.change) for row in rows}


def test_the_history_has_the_counts_at_the_end_of_each_day(portal: PortalFixture) -> None:
    expected = [
        (-1, {}),
        (0, {"new": 2}),
        (1, {"new": 1, "waiting": 1}),
        (2, {"new": 1, "done": 1}),
    ]

    assert read_history(read_portal_figures(portal, UNA)) == expected
    assert read_history(read_portal_figures(portal, CY, "loft"))[1:] == [
        (day, {"new": 1}) for day in (0, 1, 2)
    ]
    everybodys = read_history(read_portal_figures(portal, ADA, None))
    assert everybodys[2:] == [(1, {"new": 2, "waiting": 1}), (2, {"new": 2, "done": 1})]


def test_counts_include_only_requests_that_the_viewer_sees(portal: PortalFixture) -> None:
    portal.set_visibility("quay", "participants")

    unas = read_portal_figures(portal, UNA)

    assert read_history(unas) == [(-1, {}), *((day, {"new": 1}) for day in (0, 1, 2))]
    assert unas.open_by_assignee == {None: 1}
    assert read_history(read_portal_figures(portal, BO))[2] == (
        1,
        {"new": 1, "waiting": 1},
    )  # an admin sees all
    for actor, slug in ((EVE, "quay"), (CY, "quay"), (BO, None)):
        nothing = read_portal_figures(portal, actor, slug)
        assert not any(nothing.counts.values())
        assert nothing.daily_changes == []
        assert nothing.open_by_assignee == {}


def test_stored_counts_equal_those_that_the_migration_computes(portal: PortalFixture) -> None:
    before = portal.desk.db.read_sync(kept)

    def fill_anew(tx: Connection) -> None:
        words = THE_DAYS.POSTGRESQL_WORDS if is_postgresql(tx) else THE_DAYS.SQLITE_WORDS
        tx.execute(delete(request_days))
        tx.execute(text(THE_DAYS.FILL.format(**words)))

    portal.desk.db.write_sync(fill_anew)

    assert len(before) > 4
    assert portal.desk.db.read_sync(kept) == before


def test_direct_edits_count_on_the_day_they_are_made(portal: PortalFixture) -> None:
    today = to_epoch_day(now())
    by_hand = "UPDATE tickets SET status = 'canceled' WHERE subject = 'An invoice is missing'"
    portal.desk.db.write_sync(lambda tx: tx.exec_driver_sql(by_hand))

    found_ = read_portal_figures(portal, BO)

    assert found_.counts["canceled"] == 1
    assert (today, "canceled", 1) in found_.daily_changes
    assert (today, "new", -1) in found_.daily_changes


def test_waiting_requests_are_those_asking_the_viewer_or_unanswered(portal: PortalFixture) -> None:
    def waiting(persona: Persona, slug: str | None = "quay") -> list[tuple[str, str | None]]:
        workspace = channels.organization(portal.organization_ids[slug]) if slug else None
        viewer = portal.desk.read_viewer(persona)
        rows = portal.desk.db.read_sync(list_waiting_requests, viewer, workspace)
        return [(row.why, row.subject) for row in rows]

    buoy = portal.create_request(BO, "A buoy")
    portal.act_as(ADA, update.update, buoy, {"assignee": portal.desk.person_id(ADA)})
    assert ("yours", "A buoy") in waiting(ADA)
    portal.post_message(ADA, buoy, "Which one?")
    assert waiting(ADA) == [("unassigned", "An invoice is missing")]
    assert waiting(BO) == []

    portal.act_as(ADA, update.update, buoy, {"status": "waiting"})

    assert waiting(BO) == [("yours", "A buoy")]
    assert waiting(UNA) == waiting(EVE) == waiting(CY, "loft") == waiting(BO, None) == []
    assert [why for why, _ in waiting(ADA, None)] == ["unassigned", "unassigned"]
