"""Test that ids chosen by clients, sent again, say nothing their sender may not know any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, insert

from deskwire.kit.errors import Conflict, Forbidden, NotFound
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import create, offboarding, post_message, update
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.files.attachments import files
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import members
from tests.fixtures.cast import ADA, BO, MO, UNA, Persona
from tests.fixtures.staffed_portal import StaffedPortalFixture


def join_quay(portal: StaffedPortalFixture, persona: Persona) -> None:
    """Make one of the team a member of the Quay, too."""
    person_id = portal.desk.person_id(persona)
    portal.act_as(
        BO,
        lambda tx, actor: members.add_member(
            tx, actor, portal.read_organization(tx, actor, "quay"), person_id, "member"
        ),
    )


@pytest.fixture
def noted(staffed_portal: StaffedPortalFixture) -> tuple[StaffedPortalFixture, str, MessageInput]:
    """A request on which Ada has written a note, before she left the team and stayed a member."""
    join_quay(staffed_portal, ADA)
    request = staffed_portal.create_request(BO, "The crane is stuck")
    note = MessageInput(new_id(), "They never oil it.", "note")
    staffed_portal.act_as(ADA, post_message.post_message, request, note)
    ada = staffed_portal.desk.person_id(ADA)
    staffed_portal.act_as(MO, offboarding.remove_staff, ada)
    return staffed_portal, request, note


def test_resending_a_note_returns_it_only_to_authors_who_may_still_read_notes(
    noted: tuple[StaffedPortalFixture, str, MessageInput],
) -> None:
    portal, request, note = noted

    with pytest.raises(Forbidden):
        portal.act_as(ADA, post_message.post_message, request, note)


def test_resending_the_id_of_a_note_as_a_reply_does_not_return_the_note(
    noted: tuple[StaffedPortalFixture, str, MessageInput],
) -> None:
    portal, request, note = noted

    with pytest.raises(Conflict):
        portal.act_as(ADA, post_message.post_message, request, MessageInput(note.id, "Hello"))


def test_a_resent_reply_is_stored_once(staffed_portal: StaffedPortalFixture) -> None:
    request = staffed_portal.create_request(BO, "The crane is stuck")
    reply = MessageInput(new_id(), "Still stuck.")

    first = staffed_portal.act_as(BO, post_message.post_message, request, reply)
    again = staffed_portal.act_as(BO, post_message.post_message, request, reply)

    assert (again.id, again.text) == (first.id, "Still stuck.")


def test_the_file_of_a_note_is_not_found_without_permission_to_read_notes(
    staffed_portal: StaffedPortalFixture,
) -> None:
    request = staffed_portal.create_request(BO, "The crane is stuck")
    file_id = upload(staffed_portal, ADA)
    note = MessageInput(new_id(), "See the plan.", "note", [file_id])
    staffed_portal.act_as(ADA, post_message.post_message, request, note)

    refused = [
        refusal(staffed_portal, UNA, post_message.delete_file, request, each)
        for each in (file_id, new_id())
    ]

    assert refused[0] == refused[1]


def test_a_resent_request_is_not_returned_to_a_filer_who_lost_access(
    staffed_portal: StaffedPortalFixture,
) -> None:
    una = staffed_portal.desk.person_id(UNA)
    filed = RequestInput(new_id(), "For Una", "As told by telephone", requester=una)

    def file(tx: Connection, actor: Actor) -> str:
        organization = staffed_portal.read_organization(tx, actor, "quay")
        return str(create.create_request(tx, actor, organization, filed).id)

    join_quay(staffed_portal, ADA)
    first, again = staffed_portal.act_as(ADA, file), staffed_portal.act_as(ADA, file)
    staffed_portal.set_visibility("quay", "participants")
    staffed_portal.act_as(MO, offboarding.remove_staff, staffed_portal.desk.person_id(ADA))

    assert first == again == filed.id
    with pytest.raises(Conflict):
        staffed_portal.act_as(ADA, file)


def test_a_resent_request_is_not_returned_after_its_deletion(
    staffed_portal: StaffedPortalFixture,
) -> None:
    filed = RequestInput(new_id(), "Once", "Really")

    def file(tx: Connection, actor: Actor) -> str:
        organization = staffed_portal.read_organization(tx, actor, "quay")
        return str(create.create_request(tx, actor, organization, filed).id)

    staffed_portal.act_as(BO, file)
    staffed_portal.act_as(MO, update.delete_request, filed.id)

    with pytest.raises(Conflict):
        staffed_portal.act_as(BO, file)


def upload(portal: StaffedPortalFixture, persona: Persona) -> str:
    """Insert the row of a file that a persona has uploaded and not sent yet; return its id."""
    row = {
        "id": new_id(),
        "workspace": f"org:{portal.organization_ids['quay']}",
        "note": False,
        "uploader": portal.desk.person_id(persona),
        "name": "plan.txt",
        "type": "text/plain",
        "size": 3,
        "sha256": "0" * 64,
        "thumbnail": False,
        "created_at": portal.desk.now,
    }
    portal.desk.db.write_sync(lambda tx: tx.execute(insert(files).values(row)))
    return str(row["id"])


def refusal(
    portal: StaffedPortalFixture,
    persona: Persona,
    action: Callable[[Connection, Actor, str, str], None],
    *ids: str,
) -> tuple[type[Exception], str]:
    """How an action is refused: the error and its text."""
    with pytest.raises(NotFound) as refused:
        portal.act_as(persona, action, *ids)
    return refused.type, str(refused.value)
