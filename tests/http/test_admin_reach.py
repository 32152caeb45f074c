"""Test the pages of integrations and dispatches: who may see and steer what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from deskwire.dispatches import admin as dispatches_admin
from deskwire.dispatches.claims import Settlement, Wanted, claim_due, settle
from deskwire.dispatches.store import hold_unfinished, queue
from deskwire.dispatches.target import Outcome, Refused
from deskwire.events.consumers import admin
from deskwire.events.consumers.planning import plan_batch
from deskwire.events.consumers.store import Consumer, LoggedEvent, register_consumers
from deskwire.events.log import append
from deskwire.events.types.registry import PersonChanged
from tests.fixtures.cast import ADA, BO, MO, NOON
from tests.fixtures.dispatching import ToyTarget
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    opened = create_staffed_portal(tmp_path)
    yield opened
    opened.desk.db.close()


def browse(portal: StaffedPortalFixture, person: Any) -> Any:
    return open_browser(SiteFixture(portal.desk), person)


def refuse(tx: Connection, events: Sequence[LoggedEvent]) -> None:
    raise KeyError("a text of a person")


def set_event_aside(portal: StaffedPortalFixture) -> None:
    db = portal.desk.db
    consumer = Consumer("role-audit", frozenset({"person.changed"}), refuse)
    db.write_sync(register_consumers, [consumer.name])
    event = PersonChanged(actor="shell", person="-", name="-", revision=1)
    db.write_sync(lambda tx: append(tx, event, channels=["staff"]))
    db.write_sync(plan_batch, consumer, NOON)


def make_dispatch(portal: StaffedPortalFixture, outcome: Outcome | None = None) -> int:
    db, target = portal.desk.db, ToyTarget(on_dead="blocks")
    id_ = db.write_sync(queue, "toy", "person:1", "greet", {"say": "a secret"}, at=NOON)
    if outcome is not None:
        claimed = db.write_sync(claim_due, target, NOON, [Wanted(1)])
        db.write_sync(settle, target, [Settlement(claimed[0], outcome)], NOON)
    return id_


def test_the_card_of_a_consumer_says_what_it_set_aside(portal: StaffedPortalFixture) -> None:
    set_event_aside(portal)
    page = browse(portal, MO).get("/admin/integrations").text

    assert "role-audit" in page
    assert "KeyError" in page
    assert "a text of a person" not in page


def test_only_super_admins_steer_a_consumer(portal: StaffedPortalFixture) -> None:
    set_event_aside(portal)
    db, mo = portal.desk.db, browse(portal, MO)
    [state] = db.read_sync(admin.list_consumers)
    position = str(state.failures[0].position)

    def post(act: str, name: str = "role-audit") -> int:
        form = {"act": act, "name": name, "position": position}
        return int(mo.post("/admin/integrations", data=form).status_code)

    assert [post("stop"), post("start"), post("retry"), post("dismiss")] == [303] * 4
    assert db.read_sync(admin.list_consumers)[0].failure_count == 0
    assert [post("dismiss"), post("sing"), post("stop", "tow")] == [404, 422, 404]
    assert browse(portal, BO).get("/admin/integrations").status_code == 403


def test_dispatches_are_listed_by_target_and_state(portal: StaffedPortalFixture) -> None:
    make_dispatch(portal, Refused("410 Gone", permanent=True))
    make_dispatch(portal)
    mo = browse(portal, MO)

    whole = mo.get("/admin/dispatches").text
    assert "410 Gone" in whole
    assert "a secret" not in whole
    assert mo.get("/admin/dispatches?state=dead").text.count('class="delivery-row"') == 1
    assert mo.get("/admin/dispatches?target=other").text.count('class="delivery-row"') == 0


def test_a_waiting_dispatch_names_the_one_before_it(portal: StaffedPortalFixture) -> None:
    first = make_dispatch(portal, Refused("410 Gone", permanent=True))
    second = make_dispatch(portal)
    portal.desk.db.write_sync(claim_due, ToyTarget(on_dead="blocks"), NOON, [Wanted(1)])
    page = browse(portal, MO).get(f"/admin/dispatches/{second}").text
    assert f"behind #{first}" in page


def test_a_dead_dispatch_is_retried_or_dismissed(portal: StaffedPortalFixture) -> None:
    id_ = make_dispatch(portal, Refused("410 Gone", permanent=True))
    db, mo = portal.desk.db, browse(portal, MO)

    def post(act: str, number: int = id_) -> int:
        return int(mo.post(f"/admin/dispatches/{number}", data={"act": act}).status_code)

    assert [post("retry"), post("sing"), post("retry", 77)] == [303, 422, 404]
    assert db.read_sync(dispatches_admin.read_dispatch, id_).state == "new"
    assert [post("dismiss"), post("dismiss")] == [303, 409]
    for person in (BO, ADA):
        browser = browse(portal, person)
        assert browser.get(f"/admin/dispatches/{id_}").status_code == 403
        assert browser.post(f"/admin/dispatches/{id_}", data={"act": "retry"}).status_code == 403


def test_held_dispatches_are_released_or_dismissed_together(portal: StaffedPortalFixture) -> None:
    id_, db, mo = make_dispatch(portal), portal.desk.db, browse(portal, MO)
    db.write_sync(hold_unfinished)
    assert "1 dispatch is held" in mo.get("/admin/dispatches").text
    assert mo.post("/admin/dispatches", data={"act": "release"}).status_code == 303
    assert db.read_sync(dispatches_admin.read_dispatch, id_).state == "new"

    db.write_sync(hold_unfinished)
    assert mo.post("/admin/dispatches", data={"act": "dismiss-held"}).status_code == 303
    assert db.read_sync(dispatches_admin.read_dispatch, id_).state == "dismissed"
    assert mo.post("/admin/dispatches", data={"act": "sing"}).status_code == 422
