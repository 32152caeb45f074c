"""Requests live as the tables of statuses and rights say, and everybody is told what is theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from deskwire.direct_edits.change_log import is_anything
from deskwire.direct_edits.processor import work_off
from deskwire.events.log import log
from deskwire.kit.clock import DAY
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.actions import create, post_message, update
from deskwire.tickets.actions.create import Filing
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.statuses import ENDED, STATUSES
from deskwire.tickets.tables import tickets
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.organizations import employ, ensure_internal
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, UNA, Actor, build
from tests.fixtures.portal import Quay, found


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Quay]:
    house = build(tmp_path)
    yield found(house)
    house.db.close()


def row_of(quay: Quay, ticket: str) -> Any:
    chosen = select(tickets).where(tickets.c.id == ticket)
    return quay.house.db.read_here(lambda tx: tx.execute(chosen).one())


def entries(quay: Quay, type_: str) -> list[tuple[list[str], dict[str, Any]]]:
    """The channels and the data of every event of a type."""
    chosen = select(log.c.channels, log.c.data).where(log.c.type == type_)
    rows = quay.house.db.read_here(lambda tx: tx.execute(chosen.order_by(log.c.position)).all())
    return [(json.loads(row[0]), json.loads(row[1])) for row in rows]


def test_requests_are_counted_per_organization(quay: Quay) -> None:
    first, second = quay.file(BO, "One"), quay.file(BO, "Two")
    other = quay.file(CY, "One of ours", at="loft")

    assert [row_of(quay, each).number for each in (first, second, other)] == [1, 2, 1]
    assert entries(quay, "ticket.created")[1][1]["now"]["reference"] == "2026-R-000002"


def test_the_same_request_sent_twice_is_filed_once(quay: Quay) -> None:
    filing_ = Filing(new_id(), "Once", "Really")

    def file(tx: Connection, deed: Deed) -> str:
        return str(create.file_request(tx, deed, quay.place(tx, deed, "quay"), filing_).id)

    assert quay.act(BO, file) == quay.act(BO, file)
    assert len(entries(quay, "ticket.created")) == 1


def test_of_many_who_send_the_same_request_at_once_one_is_filed(quay: Quay) -> None:
    filing_ = Filing(new_id(), "Once", "Really")

    def file(_: int) -> str:
        def run(tx: Connection, deed: Deed) -> str:
            return str(create.file_request(tx, deed, quay.place(tx, deed, "quay"), filing_).id)

        return quay.act(BO, run)

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(file, range(8))) == {filing_.id}
    assert len(entries(quay, "ticket.created")) == 1


def test_an_id_that_is_another_request_s_or_no_id_is_refused(quay: Quay) -> None:
    theirs = quay.file(CY, "Of the Loft", at="loft")

    def file(tx: Connection, deed: Deed, id_: str) -> None:
        place = quay.place(tx, deed, "quay")
        create.file_request(tx, deed, place, Filing(id_, "Mine", "Mine"))

    mine = quay.file(UNA, "A colleague's")
    for taken in (theirs, mine):
        with pytest.raises(Conflict):
            quay.act(BO, file, taken)
    with pytest.raises(Invalid):
        quay.act(BO, file, "42")


@pytest.mark.parametrize(
    ("subject", "text", "field"),
    [
        ("", "x", "subject"),
        ("x" * 101, "x", "subject"),
        ("x", " \n", "text"),
        ("a\u202eb", "x", "subject"),
    ],
)
def test_what_cannot_be_filed_says_which_field(
    quay: Quay, subject: str, text: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        quay.file(BO, subject, text)

    assert field in refused.value.fields


def test_nobody_files_where_they_do_not_belong(quay: Quay) -> None:
    for actor in (CY, EVE, MO):
        with pytest.raises(NotFound):
            quay.file(actor, "Let me in")


def test_nobody_files_in_the_team_s_own_organization(quay: Quay) -> None:
    quay.ids["team"] = quay.house.db.write_here(ensure_internal, quay.house.at)

    with pytest.raises(NotFound):
        quay.file(ADA, "To ourselves", at="team")


def test_the_team_files_in_a_client_s_name_and_a_client_does_not(quay: Quay) -> None:
    una, bo = quay.house.id_of(UNA), quay.house.id_of(BO)

    def file(tx: Connection, deed: Deed, requester: str) -> str:
        wish = Filing(new_id(), "For you", "As told by telephone", requester=requester)
        return str(create.file_request(tx, deed, quay.place(tx, deed, "quay"), wish).id)

    filed = quay.act(ADA, file, una)

    assert row_of(quay, filed).opener == una
    with pytest.raises(Forbidden):
        quay.act(BO, file, una)
    with pytest.raises(Invalid):
        quay.act(ADA, file, quay.house.id_of(CY))
    assert row_of(quay, quay.act(BO, file, bo)).opener == bo


def test_the_team_moves_a_request_from_any_status_to_any_other(quay: Quay) -> None:
    ticket = quay.file(BO, "Moved about")
    for before, after in product(STATUSES, STATUSES):
        quay.act(ADA, update.move, ticket, before)

        quay.act(ADA, update.move, ticket, after)

        row = row_of(quay, ticket)
        assert row.status == after
        assert (row.closed_at is not None) == (after in ENDED), f"{before} → {after}"


def test_a_client_cancels_and_reopens_and_nothing_else(quay: Quay) -> None:
    ticket = quay.file(BO, "Mine")
    for before, after in product(STATUSES, STATUSES):
        quay.act(ADA, update.move, ticket, before)
        may = before == after or (before, after) == ("done", "active")
        may = may or (after == "canceled" and before not in ENDED)

        if may:
            quay.act(BO, update.move, ticket, after)
        else:
            with pytest.raises(Forbidden):
                quay.act(BO, update.move, ticket, after)

        assert row_of(quay, ticket).status == (after if may else before)


def test_what_was_completed_long_ago_is_not_reopened_by_its_requester(quay: Quay) -> None:
    ticket = quay.file(BO, "Long done")
    quay.act(ADA, update.move, ticket, "done")
    quay.house.at += 15 * DAY

    with pytest.raises(Forbidden, match="14 days"):
        quay.act(BO, update.move, ticket, "active")

    quay.act(ADA, update.move, ticket, "active")
    assert len(entries(quay, "ticket.reopened")) == 1


def test_a_colleague_does_not_cancel_what_is_not_theirs(quay: Quay) -> None:
    ticket = quay.file(BO, "Not Una's")

    with pytest.raises(Forbidden):
        quay.act(UNA, update.move, ticket, "canceled")
    with pytest.raises(Forbidden):
        quay.act(UNA, update.retitle, ticket, "Mine now")


@pytest.mark.parametrize("actor", [BO, UNA])
def test_what_is_the_team_s_to_do_a_client_does_not(quay: Quay, actor: Actor) -> None:
    ticket = quay.file(BO, "Hands off")
    for act, value in (
        (update.assign, quay.house.id_of(ADA)),
        (update.categorise, None),
        (update.prioritise, "high"),
    ):
        with pytest.raises(Forbidden):
            quay.act(actor, act, ticket, value)
    with pytest.raises(Forbidden):
        quay.act(actor, update.label, ticket, add=["x"])
    with pytest.raises(Forbidden):
        quay.act(actor, update.remove, ticket)
    with pytest.raises(Forbidden):
        quay.say(actor, ticket, "Psst", "note")


def test_claiming_makes_new_active_and_is_told_as_the_bot_tells_it(quay: Quay) -> None:
    ticket = quay.file(BO, "Claim me")

    quay.act(ADA, update.assign, ticket, quay.house.id_of(ADA))

    [(_, told)] = entries(quay, "ticket.claimed")
    assert (told["oldStatus"], told["newStatus"]) == ("OPEN", "CLAIMED")
    assert row_of(quay, ticket).status == "active"
    with pytest.raises(Invalid):
        quay.act(ADA, update.assign, ticket, quay.house.id_of(BO))


def test_a_client_s_reply_moves_what_waits_for_it(quay: Quay) -> None:
    ticket = quay.file(BO, "Your turn")
    quay.act(ADA, update.move, ticket, "waiting")
    quay.say(ADA, ticket, "Which mast is it?")
    assert row_of(quay, ticket).status == "waiting"

    quay.say(BO, ticket, "The left one.")

    assert row_of(quay, ticket).status == "active"


def test_a_message_sent_twice_is_written_once(quay: Quay) -> None:
    ticket, written = quay.file(BO, "Twice"), Written(new_id(), "Hello")

    first = quay.act(BO, post_message.say, ticket, written)
    again = quay.act(BO, post_message.say, ticket, written)

    assert first.id == again.id == written.id
    assert len(entries(quay, "ticket.message_sent")) == 1
    with pytest.raises(Conflict):
        quay.act(UNA, post_message.say, ticket, written)


def test_of_two_requests_that_are_sent_the_same_message_at_once_one_gets_it(quay: Quay) -> None:
    one, other = quay.file(BO, "One"), quay.file(BO, "Other")

    def say(ticket: str, written: Written) -> str:
        try:
            return str(quay.act(BO, post_message.say, ticket, written).ticket)
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):  # on PostgreSQL one try in two hits the moment
            written = Written(new_id(), "Hello")
            said = {*threads.map(say, (one, other), (written, written))}
            assert "refused" in said
            assert said & {one, other}


def test_a_note_is_told_to_the_team_alone_and_leaves_no_trace(quay: Quay) -> None:
    ticket = quay.file(BO, "Behind your back")
    before = row_of(quay, ticket)

    quay.say(ADA, ticket, "They never pay.", "note")

    assert row_of(quay, ticket) == before, "a client could tell from the row"
    [(channels, told)] = entries(quay, "ticket.message_sent")
    assert channels == told["held"] == ["staff"]


def test_only_its_author_edits_a_message_and_the_log_forgets_what_it_said(quay: Quay) -> None:
    ticket = quay.file(BO, "Slip of the tongue")
    message = quay.say(BO, ticket, "My password is swordfish")
    for actor in (ADA, UNA):
        with pytest.raises(Forbidden):
            quay.act(actor, post_message.edit, ticket, message, "Hijacked")

    quay.act(BO, post_message.edit, ticket, message, "Never mind")

    [(_, told)] = entries(quay, "ticket.message_sent")
    assert told["redacted"] is True
    everything = quay.house.db.read_here(lambda tx: tx.execute(select(log.c.data)).scalars().all())
    assert not any("swordfish" in data for data in everything)
    assert entries(quay, "ticket.message_edited")[0][1]["line"]["html"] == "<p>Never mind</p>"


def test_a_deleted_message_is_gone_from_timeline_log_and_search(quay: Quay) -> None:
    ticket = quay.file(BO, "Regrets")
    message = quay.say(BO, ticket, "zanzibar")

    quay.act(BO, post_message.erase, ticket, message)

    everything = quay.house.db.read_here(lambda tx: tx.execute(select(log.c.data)).scalars().all())
    assert not any("zanzibar" in data for data in everything)
    lines = quay.house.db.read_here(messages.read_timeline, ticket)
    assert message not in {line.id for line in lines}
    assert row_of(quay, ticket).messages == 1
    with pytest.raises(NotFound):
        quay.act(BO, post_message.edit, ticket, message, "Back again")


def test_a_moderator_deletes_what_others_wrote_and_nobody_the_description(quay: Quay) -> None:
    quay.house.db.write_here(employ, quay.house.id_of(MO), "operations_manager", quay.house.at)
    ticket = quay.file(BO, "Be nice")
    rude = quay.say(BO, ticket, "You ****")
    described = quay.house.db.read_here(messages.read_timeline, ticket)[1].id
    with pytest.raises(Forbidden):
        quay.act(ADA, post_message.erase, ticket, rude)

    quay.act(MO, post_message.erase, ticket, rude)

    with pytest.raises(Conflict):
        quay.act(MO, post_message.erase, ticket, described)


def test_who_watches_takes_part_until_they_stop(quay: Quay) -> None:
    quay.set_mode("quay", "participants")
    ticket = quay.file(BO, "Look at this")
    una = quay.house.id_of(UNA)
    with pytest.raises(NotFound):
        quay.act(UNA, update.watch, ticket, una)

    quay.act(BO, update.watch, ticket, una)

    assert f"ticket:{ticket}" in quay.house.viewer(UNA).channels
    quay.act(UNA, update.unwatch, ticket, una)
    assert f"ticket:{ticket}" not in quay.house.viewer(UNA).channels
    with pytest.raises(Conflict):
        quay.act(BO, update.unwatch, ticket, quay.house.id_of(BO))
    with pytest.raises(NotFound):
        quay.act(BO, update.watch, ticket, quay.house.id_of(CY))


def test_a_deleted_request_is_gone_for_everybody(quay: Quay) -> None:
    quay.house.db.write_here(employ, quay.house.id_of(MO), "operations_manager", quay.house.at)
    ticket = quay.file(BO, "Spam")

    quay.act(MO, update.remove, ticket)

    for actor in (ADA, BO, UNA):
        with pytest.raises(NotFound):
            quay.act(actor, update.move, ticket, "active")


def test_an_edit_by_hand_of_a_request_is_told_to_who_sees_it(quay: Quay) -> None:
    ticket = quay.file(BO, "By hand")

    quay.house.db.write_here(
        lambda tx: tx.exec_driver_sql("UPDATE tickets SET status = 'review', priority = 'low'")
    )
    quay.house.db.write_here(work_off)

    [(channels, told)] = entries(quay, "ticket.status_changed")
    place = quay.ids["quay"]
    assert channels == ["staff", f"org:{place}:1", f"ticket:{ticket}"]
    assert (told["actor"], told["now"]["statusLabel"]) == ("sql", "Reviewing")
    quay.act(ADA, update.retitle, ticket, "By hand, and by name")
    assert row_of(quay, ticket).status == "review", "a later action folded the edit away"


def test_an_edit_by_hand_that_an_action_found_first_is_told_with_its_line(quay: Quay) -> None:
    ticket = quay.file(BO, "By hand")
    quay.house.db.write_here(lambda tx: tx.exec_driver_sql("UPDATE tickets SET priority = 'low'"))

    quay.act(ADA, update.retitle, ticket, "By hand, and by name")
    quay.house.db.write_here(work_off)

    told = [fields for _, fields in entries(quay, "ticket.updated") if fields["actor"] == "sql"]
    assert [fields["line"]["author"]["id"] for fields in told] == ["sql"]


def test_no_action_here_makes_a_note_of_an_edit_by_hand(quay: Quay) -> None:
    ticket = quay.file(BO, "Ours")
    message = quay.say(BO, ticket, "Also ours")
    quay.act(BO, post_message.edit, ticket, message, "Still ours")
    quay.act(BO, post_message.erase, ticket, message)
    quay.act(ADA, update.assign, ticket, quay.house.id_of(ADA))

    assert not quay.house.db.read_here(is_anything)
