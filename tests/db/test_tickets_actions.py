"""Test actions on requests against the tables of statuses and permissions, and their events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from deskwire.events.log import log
from deskwire.kit.clock import DAY
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.actions import create, post_message, update
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.field_changes import LabelChange
from deskwire.tickets.statuses import ENDED_STATUSES, STATUSES
from deskwire.tickets.tables import tickets
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.staff import ensure_internal_organization, upsert_staff_row
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, UNA, Persona, create_desk
from tests.fixtures.erasure import sweep_erasures
from tests.fixtures.portal import PortalFixture, create_portal


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    desk = create_desk(tmp_path)
    yield create_portal(desk)
    desk.db.close()


def read_entries(portal: PortalFixture, type_: str) -> list[tuple[list[str], dict[str, Any]]]:
    """The channels and the data of every event of a type."""
    chosen = select(log.c.channels, log.c.data).where(log.c.type == type_)
    rows = portal.desk.db.read_sync(lambda tx: tx.execute(chosen.order_by(log.c.position)).all())
    return [(json.loads(row[0]), json.loads(row[1])) for row in rows]


def read_row(portal: PortalFixture, ticket: str) -> Any:
    chosen = select(tickets).where(tickets.c.id == ticket)
    return portal.desk.db.read_sync(lambda tx: tx.execute(chosen).one())


def test_requests_are_counted_per_organization(portal: PortalFixture) -> None:
    first, second = portal.create_request(BO, "One"), portal.create_request(BO, "Two")
    other = portal.create_request(CY, "One of ours", slug="loft")

    assert [read_row(portal, each).number for each in (first, second, other)] == [1, 2, 1]
    assert read_entries(portal, "ticket.created")[1][1]["now"]["reference"] == "2026-R-000002"


def test_a_request_sent_twice_is_filed_once(portal: PortalFixture) -> None:
    filing_ = RequestInput(new_id(), "Once", "Really")

    def file(tx: Connection, actor: Actor) -> str:
        return str(
            create.create_request(
                tx, actor, portal.read_organization(tx, actor, "quay"), filing_
            ).id
        )

    assert portal.act_as(BO, file) == portal.act_as(BO, file)
    assert len(read_entries(portal, "ticket.created")) == 1


def test_a_request_sent_many_times_at_once_is_filed_once(portal: PortalFixture) -> None:
    filing_ = RequestInput(new_id(), "Once", "Really")

    def file(_: int) -> str:
        def run(tx: Connection, actor: Actor) -> str:
            return str(
                create.create_request(
                    tx, actor, portal.read_organization(tx, actor, "quay"), filing_
                ).id
            )

        return portal.act_as(BO, run)

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(file, range(8))) == {filing_.id}
    assert len(read_entries(portal, "ticket.created")) == 1


def test_an_invalid_id_or_one_of_another_request_is_refused(portal: PortalFixture) -> None:
    theirs = portal.create_request(CY, "Of the Loft", slug="loft")

    def file(tx: Connection, actor: Actor, id_: str) -> None:
        organization = portal.read_organization(tx, actor, "quay")
        create.create_request(tx, actor, organization, RequestInput(id_, "Mine", "Mine"))

    mine = portal.create_request(UNA, "A colleague's")
    for taken in (theirs, mine):
        with pytest.raises(Conflict):
            portal.act_as(BO, file, taken)
    with pytest.raises(Invalid):
        portal.act_as(BO, file, "42")


@pytest.mark.parametrize(
    ("subject", "text", "field"),
    [
        ("", "x", "subject"),
        ("x" * 101, "x", "subject"),
        ("x", " \n", "text"),
        ("a\u202eb", "x", "subject"),
    ],
)
def test_a_refused_request_names_the_invalid_field(
    portal: PortalFixture, subject: str, text: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        portal.create_request(BO, subject, text)

    assert field in refused.value.fields


def test_filing_in_a_foreign_organization_is_refused(portal: PortalFixture) -> None:
    for actor in (CY, EVE, MO):
        with pytest.raises(NotFound):
            portal.create_request(actor, "Let me in")


def test_filing_in_the_internal_organization_is_refused(portal: PortalFixture) -> None:
    portal.organization_ids["team"] = portal.desk.db.write_sync(
        ensure_internal_organization, portal.desk.now
    )

    with pytest.raises(NotFound):
        portal.create_request(ADA, "To ourselves", slug="team")


def test_staff_can_file_for_a_client_and_clients_cannot(portal: PortalFixture) -> None:
    una, bo = portal.desk.person_id(UNA), portal.desk.person_id(BO)

    def file(tx: Connection, actor: Actor, requester: str) -> str:
        request_input = RequestInput(
            new_id(), "For you", "As told by telephone", requester=requester
        )
        return str(
            create.create_request(
                tx, actor, portal.read_organization(tx, actor, "quay"), request_input
            ).id
        )

    filed = portal.act_as(ADA, file, una)

    assert read_row(portal, filed).opener == una
    with pytest.raises(Forbidden):
        portal.act_as(BO, file, una)
    with pytest.raises(Invalid):
        portal.act_as(ADA, file, portal.desk.person_id(CY))
    assert read_row(portal, portal.act_as(BO, file, bo)).opener == bo


def test_staff_can_move_a_request_between_any_statuses(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Moved about")
    for before, after in product(STATUSES, STATUSES):
        portal.act_as(ADA, update.update, ticket, {"status": before})

        portal.act_as(ADA, update.update, ticket, {"status": after})

        row = read_row(portal, ticket)
        assert row.status == after
        assert (row.closed_at is not None) == (after in ENDED_STATUSES), f"{before} → {after}"


def test_a_client_can_cancel_and_reopen_and_set_no_other_status(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Mine")
    for before, after in product(STATUSES, STATUSES):
        portal.act_as(ADA, update.update, ticket, {"status": before})
        may = before == after or (before, after) == ("done", "active")
        may = may or (after == "canceled" and before not in ENDED_STATUSES)

        if may:
            portal.act_as(BO, update.update, ticket, {"status": after})
        else:
            with pytest.raises(Forbidden):
                portal.act_as(BO, update.update, ticket, {"status": after})

        assert read_row(portal, ticket).status == (after if may else before)


def test_a_requester_cannot_reopen_a_request_completed_long_ago(
    portal: PortalFixture,
) -> None:
    ticket = portal.create_request(BO, "Long done")
    portal.act_as(ADA, update.update, ticket, {"status": "done"})
    portal.desk.now += 15 * DAY

    with pytest.raises(Forbidden, match="14 days"):
        portal.act_as(BO, update.update, ticket, {"status": "active"})

    portal.act_as(ADA, update.update, ticket, {"status": "active"})
    assert len(read_entries(portal, "ticket.reopened")) == 1


def test_a_colleague_cannot_change_another_members_request(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Not Una's")

    with pytest.raises(Forbidden):
        portal.act_as(UNA, update.update, ticket, {"status": "canceled"})
    with pytest.raises(Forbidden):
        portal.act_as(UNA, update.update, ticket, {"subject": "Mine now"})


@pytest.mark.parametrize("persona", [BO, UNA])
def test_a_client_cannot_change_staff_fields(portal: PortalFixture, persona: Persona) -> None:
    ticket = portal.create_request(BO, "Hands off")
    for patch in (
        {"assignee": portal.desk.person_id(ADA)},
        {"category": None},
        {"priority": "high"},
        {"labels": LabelChange(add=["x"])},
    ):
        with pytest.raises(Forbidden):
            portal.act_as(persona, update.update, ticket, patch)
    with pytest.raises(Forbidden):
        portal.act_as(persona, update.delete_request, ticket)
    with pytest.raises(Forbidden):
        portal.post_message(persona, ticket, "Psst", "note")


def test_claiming_a_new_request_makes_it_active_and_sends_an_event(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Claim me")

    portal.act_as(ADA, update.update, ticket, {"assignee": portal.desk.person_id(ADA)})

    [(_, data)] = read_entries(portal, "ticket.claimed")
    assert (data["oldStatus"], data["newStatus"]) == ("OPEN", "CLAIMED")
    assert read_row(portal, ticket).status == "active"
    with pytest.raises(Invalid):
        portal.act_as(ADA, update.update, ticket, {"assignee": portal.desk.person_id(BO)})


def test_a_clients_reply_makes_a_waiting_request_active(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Your turn")
    portal.act_as(ADA, update.update, ticket, {"status": "waiting"})
    portal.post_message(ADA, ticket, "Which mast is it?")
    assert read_row(portal, ticket).status == "waiting"

    portal.post_message(BO, ticket, "The left one.")

    assert read_row(portal, ticket).status == "active"


def test_a_message_sent_twice_is_written_once(portal: PortalFixture) -> None:
    ticket, written = portal.create_request(BO, "Twice"), MessageInput(new_id(), "Hello")

    first = portal.act_as(BO, post_message.post_message, ticket, written)
    again = portal.act_as(BO, post_message.post_message, ticket, written)

    assert first.id == again.id == written.id
    assert len(read_entries(portal, "ticket.message_sent")) == 1
    with pytest.raises(Conflict):
        portal.act_as(UNA, post_message.post_message, ticket, written)


def test_a_message_id_sent_to_two_requests_at_once_is_used_in_one(
    portal: PortalFixture,
) -> None:
    one, other = portal.create_request(BO, "One"), portal.create_request(BO, "Other")

    def say(ticket: str, written: MessageInput) -> str:
        try:
            return str(portal.act_as(BO, post_message.post_message, ticket, written).ticket)
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):  # on PostgreSQL one try in two hits the moment
            written = MessageInput(new_id(), "Hello")
            outcomes = {*threads.map(say, (one, other), (written, written))}
            assert "refused" in outcomes
            assert outcomes & {one, other}


def test_a_note_is_sent_to_staff_only_and_clients_see_no_trace(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "Behind your back")
    before = read_row(portal, ticket)

    portal.post_message(ADA, ticket, "They never pay.", "note")

    assert read_row(portal, ticket) == before, "a client could tell from the row"
    [(channels, data)] = read_entries(portal, "ticket.message_sent")
    assert channels == data["held"] == ["staff"]


def test_only_the_author_edits_a_message_and_the_old_text_leaves_the_log(
    portal: PortalFixture, tmp_path: Path
) -> None:
    ticket = portal.create_request(BO, "Slip of the tongue")
    message = portal.post_message(BO, ticket, "My password is swordfish")
    for actor in (ADA, UNA):
        with pytest.raises(Forbidden):
            portal.act_as(actor, post_message.edit_message, ticket, message, "Hijacked")

    portal.act_as(BO, post_message.edit_message, ticket, message, "Never mind")
    sweep_erasures(portal.desk.db, tmp_path / "files")

    [(_, event_data)] = read_entries(portal, "ticket.message_sent")
    assert event_data["redacted"] is True
    everything = portal.desk.db.read_sync(lambda tx: tx.execute(select(log.c.data)).scalars().all())
    assert not any("swordfish" in data for data in everything)
    assert (
        read_entries(portal, "ticket.message_edited")[0][1]["line"]["html"] == "<p>Never mind</p>"
    )


def test_a_deleted_message_leaves_timeline_log_and_search(
    portal: PortalFixture, tmp_path: Path
) -> None:
    ticket = portal.create_request(BO, "Regrets")
    message = portal.post_message(BO, ticket, "zanzibar")

    portal.act_as(BO, post_message.delete_message, ticket, message)
    sweep_erasures(portal.desk.db, tmp_path / "files")

    everything = portal.desk.db.read_sync(lambda tx: tx.execute(select(log.c.data)).scalars().all())
    assert not any("zanzibar" in data for data in everything)
    lines = portal.desk.db.read_sync(messages.read_timeline, ticket)
    assert message not in {line.id for line in lines}
    assert read_row(portal, ticket).messages == 1
    with pytest.raises(NotFound):
        portal.act_as(BO, post_message.edit_message, ticket, message, "Back again")


def test_a_moderator_deletes_messages_of_others_but_never_the_description(
    portal: PortalFixture,
) -> None:
    portal.desk.db.write_sync(
        upsert_staff_row, portal.desk.person_id(MO), "operations_manager", portal.desk.now
    )
    ticket = portal.create_request(BO, "Be nice")
    rude = portal.post_message(BO, ticket, "You ****")
    described = portal.desk.db.read_sync(messages.read_timeline, ticket)[1].id
    with pytest.raises(Forbidden):
        portal.act_as(ADA, post_message.delete_message, ticket, rude)

    portal.act_as(MO, post_message.delete_message, ticket, rude)

    with pytest.raises(Conflict):
        portal.act_as(MO, post_message.delete_message, ticket, described)


def test_a_watcher_participates_until_they_stop_watching(portal: PortalFixture) -> None:
    portal.set_visibility("quay", "participants")
    ticket = portal.create_request(BO, "Look at this")
    una = portal.desk.person_id(UNA)
    with pytest.raises(NotFound):
        portal.act_as(UNA, update.add_watcher, ticket, una)

    portal.act_as(BO, update.add_watcher, ticket, una)

    assert f"ticket:{ticket}" in portal.desk.read_viewer(UNA).channels
    portal.act_as(UNA, update.remove_watcher, ticket, una)
    assert f"ticket:{ticket}" not in portal.desk.read_viewer(UNA).channels
    with pytest.raises(Conflict):
        portal.act_as(BO, update.remove_watcher, ticket, portal.desk.person_id(BO))
    with pytest.raises(NotFound):
        portal.act_as(BO, update.add_watcher, ticket, portal.desk.person_id(CY))


def test_a_deleted_request_is_gone_for_everyone(portal: PortalFixture) -> None:
    portal.desk.db.write_sync(
        upsert_staff_row, portal.desk.person_id(MO), "operations_manager", portal.desk.now
    )
    ticket = portal.create_request(BO, "Spam")

    portal.act_as(MO, update.delete_request, ticket)

    for actor in (ADA, BO, UNA):
        with pytest.raises(NotFound):
            portal.act_as(actor, update.update, ticket, {"status": "active"})
