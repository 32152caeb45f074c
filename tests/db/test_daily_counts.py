"""The days: what triggers keep is what the facts say, for everybody who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, select, text

from deskwire.events import channels
from deskwire.kit.clock import DAY, now
from deskwire.kit.db import is_shared
from deskwire.tickets.actions import update
from deskwire.tickets.queries.daily_counts import day_of, history_of, request_days
from deskwire.tickets.queries.dashboard import Figures, read_figures, read_waiting
from tests.fixtures.cast import ADA, BO, CY, EVE, NOON, UNA, Actor, build
from tests.fixtures.portal import Quay, found

FIRST = day_of(NOON)
THE_DAYS = import_module("deskwire.migrations.versions.0007_the_days")


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Quay]:
    """Bo's mast is asked about on the next day and done on the third; Una's invoice stays new."""
    house = build(tmp_path)
    built = found(house)
    mast = built.file(BO, "The mast is dark")
    built.file(UNA, "An invoice is missing")
    built.file(CY, "A mast of ours", at="loft")
    house.at += DAY
    built.act(ADA, update.assign, mast, house.id_of(ADA))
    built.act(ADA, update.move, mast, "waiting")
    house.at += DAY
    built.act(ADA, update.move, mast, "done")
    yield built
    house.db.close()


def figures(quay: Quay, actor: Actor, place: str | None = "quay") -> Figures:
    workspace = channels.organization(quay.ids[place]) if place else None
    return quay.house.db.read_here(read_figures, quay.house.viewer(actor), workspace, FIRST - 1)


def history(found_: Figures, last: int = FIRST + 2) -> list[tuple[int, dict[str, int]]]:
    days = history_of(found_.counts, found_.changes, last, 4)
    return [(day.day - FIRST, {s: n for s, n in day.counts.items() if n}) for day in days]


def kept(tx: Connection) -> set[tuple[str, int, str, int]]:
    rows = tx.execute(select(request_days).where(request_days.c.change != 0))
    return {(row.workspace, row.day, row.status, row.change) for row in rows}


def test_a_history_says_how_many_there_were_when_each_day_ended(quay: Quay) -> None:
    expected = [
        (-1, {}),
        (0, {"new": 2}),
        (1, {"new": 1, "waiting": 1}),
        (2, {"new": 1, "done": 1}),
    ]

    assert history(figures(quay, UNA)) == expected
    assert history(figures(quay, CY, "loft"))[1:] == [(day, {"new": 1}) for day in (0, 1, 2)]
    everybodys = history(figures(quay, ADA, None))
    assert everybodys[2:] == [(1, {"new": 2, "waiting": 1}), (2, {"new": 2, "done": 1})]


def test_who_sees_only_some_requests_is_told_of_no_other(quay: Quay) -> None:
    quay.set_mode("quay", "participants")

    unas = figures(quay, UNA)

    assert history(unas) == [(-1, {}), *((day, {"new": 1}) for day in (0, 1, 2))]
    assert unas.assigned == {None: 1}
    assert history(figures(quay, BO))[2] == (1, {"new": 1, "waiting": 1})  # an admin sees all
    for actor, place in ((EVE, "quay"), (CY, "quay"), (BO, None)):
        nothing = figures(quay, actor, place)
        assert not any(nothing.counts.values())
        assert nothing.changes == []
        assert nothing.assigned == {}


def test_what_is_kept_is_what_the_facts_say_when_a_desk_is_upgraded(quay: Quay) -> None:
    before = quay.house.db.read_here(kept)

    def fill_anew(tx: Connection) -> None:
        words = THE_DAYS.POSTGRESQL_WORDS if is_shared(tx) else THE_DAYS.SQLITE_WORDS
        tx.execute(delete(request_days))
        tx.execute(text(THE_DAYS.FILL.format(**words)))

    quay.house.db.write_here(fill_anew)

    assert len(before) > 4
    assert quay.house.db.read_here(kept) == before


def test_edits_by_hand_count_for_the_day_they_are_made(quay: Quay) -> None:
    today = day_of(now())
    by_hand = "UPDATE tickets SET status = 'canceled' WHERE subject = 'An invoice is missing'"
    quay.house.db.write_here(lambda tx: tx.exec_driver_sql(by_hand))

    found_ = figures(quay, BO)

    assert found_.counts["canceled"] == 1
    assert (today, "canceled", 1) in found_.changes
    assert (today, "new", -1) in found_.changes


def test_what_waits_is_what_one_is_asked_for_or_nobody_has_answered(quay: Quay) -> None:
    def waiting(actor: Actor, place: str | None = "quay") -> list[tuple[str, str]]:
        workspace = channels.organization(quay.ids[place]) if place else None
        viewer = quay.house.viewer(actor)
        rows = quay.house.db.read_here(read_waiting, viewer, workspace)
        return [(row.why, row.subject) for row in rows]

    buoy = quay.file(BO, "A buoy")
    quay.act(ADA, update.assign, buoy, quay.house.id_of(ADA))
    assert ("yours", "A buoy") in waiting(ADA)
    quay.say(ADA, buoy, "Which one?")
    assert waiting(ADA) == [("nobody's", "An invoice is missing")]
    assert waiting(BO) == []

    quay.act(ADA, update.move, buoy, "waiting")

    assert waiting(BO) == [("yours", "A buoy")]
    assert waiting(UNA) == waiting(EVE) == waiting(CY, "loft") == waiting(BO, None) == []
    assert [why for why, _ in waiting(ADA, None)] == ["nobody's", "nobody's"]
