"""Test that search finds tickets by the beginnings of words, and that no query breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Connection, func, insert, select, text

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.kit.rows import fetch_one
from deskwire.kit.text import split_words
from deskwire.tickets import messages, search_index
from deskwire.tickets.queries import counts
from deskwire.tickets.queries.list_tickets import (
    MAX_QUERY_WORDS,
    parse_ticket_filter,
    read_ticket_results,
)
from deskwire.tickets.search_index import MAX_TALK_LENGTH, reindex_replies, ticket_words
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.workspaces.name_index import MAX_MATCHES, find_by_name_prefix, name_words
from tests.fixtures.cast import (
    ADA,
    ATTIC_GUILD,
    BO,
    CY,
    HARBOUR_GUILD,
    MO,
    DeskFixture,
    Persona,
    create_desk,
)

NOBODY_YET = Persona("Nobody Yet", "900000000000001337")
SAID = "Don’t restart_it; write to crane-desk@harbour.example, or see https://desk.test/a?b=c"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskFixture]:
    built = create_desk(tmp_path_factory.mktemp("search"))
    built.open_ticket(1, "Übung macht den Meister, 100 % sicher", BO)
    built.open_ticket(2, "Straße_gesperrt \\ Umleitung", CY)
    built.set_ticket_status(
        3, "PENDING", NOBODY_YET
    )  # of this one no event has told subject or opener
    built.claim_ticket(4, NOBODY_YET)
    built.open_ticket(120, "起重機とクレーン 🏗️", BO)
    built.post_message(2, CY, SAID)
    built.post_message(3, CY, None)
    yield built
    built.db.close()


def find_numbers(desk: DeskFixture, query: str, persona: Persona = ADA) -> set[int]:
    """The tickets of the Harbour that someone finds."""
    ticket_filter = parse_ticket_filter({"q": query})
    found = desk.db.read_sync(
        read_ticket_results, desk.read_viewer(persona), channels.guild(HARBOUR_GUILD), ticket_filter
    )
    assert found.total == len(found.tickets)
    return {ticket.now.number for ticket in found.tickets}


ALL = {1, 2, 3, 4, 120}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("übung", {1}),
        ("ÜBUNG meister", {1}),
        ("u\u0308bung", {1}),
        ("üb meist", {1}),
        ("bung", set()),
        ("STRASSE", {2}),
        ("gesperrt", {2}),
        ("castellanos", {1, 120}),
        ("cast", {1, 120}),
        ("Ticket 3", {3}),
        ("Ticket #3", {3}),
        ("ticket", {3, 4}),
        ("#4", {4}),
        ("0004", {4}),
        ("12", set()),
        ("120", {120}),
        ("Discord user …1337", {4}),
        ("1337", {4}),
        ("…1337", {4}),
        ("1338", set()),
        ("user", {4}),
        ("Bo übung", {1}),
        ("Cy übung", set()),
        ("起", {120}),
        ("重機", {120}),
        ("起重機", {120}),
        ("重起", set()),
        ("クレーン castellanos", {120}),
        ("restart", {2}),
        ("restart_it", {2}),
        ("don't umleitung", {2}),
        ("crane-desk@harbour.example", {2}),
        ("harbour", {2}),
        ("desk.test/a", {2}),
        ("estart", set()),
        ("cy strasse harbour #2", {2}),
        ("twelve", set()),
        ("wrote", set()),
        ("", ALL),
        ("%", set()),
        ("\\", set()),
        ("🏗️", set()),
    ],
)
def test_everything_shown_on_screen_is_found(
    desk: DeskFixture, query: str, found: set[int]
) -> None:
    assert find_numbers(desk, query) == found


def test_a_named_user_is_not_found_by_an_unseen_placeholder(desk: DeskFixture) -> None:
    assert 1 not in find_numbers(desk, BO.discord_id[-4:])
    assert 1 not in find_numbers(desk, "Discord")


def test_search_finds_only_visible_tickets(desk: DeskFixture) -> None:
    assert find_numbers(desk, "übung", BO) == {1}
    assert find_numbers(desk, "strasse", BO) == set()
    assert find_numbers(desk, "", BO) == {1, 120}
    assert find_numbers(desk, "übung", MO) == {1}


def test_tickets_are_found_by_new_names_and_subjects_only(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "Ärger", BO)
    desk.update_ticket(1, subject={"old": "Ärger", "new": "Öl"})
    desk.post_message(1, Persona("Änne", BO.discord_id), "that was me")

    try:
        assert find_numbers(desk, "öl änne") == {1}
        assert find_numbers(desk, "ärger") == set()
        assert find_numbers(desk, "castellanos") == set()
    finally:
        desk.db.close()


def test_each_server_finds_only_its_own_tickets(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "The crane", BO)
    desk.open_ticket(2, "The crane", BO, guild=ATTIC_GUILD)

    found = desk.db.read_sync(
        read_ticket_results,
        desk.read_viewer(CY),
        channels.guild(ATTIC_GUILD),
        parse_ticket_filter({"q": "crane castellanos"}),
    )
    desk.db.close()

    assert [ticket.now.number for ticket in found.tickets] == [2]


ALPHABET = (
    st.characters()
    | st.sampled_from("\"'*:()^#@|&!<->\\\0_-+{}~%$NEAR ")
    | st.sampled_from("éßŒ漢字かなカナ한글ไทยहिन्दीעִ🏗️٣½²\u0301\u200d\u0345ᾳİıſ")
)


@given(st.text(ALPHABET, max_size=250))
@example("\ud800")
@example("\0")
@example("% " * 100)
@example("a " * 100)
@example("9" * 200)
@example("ﷺ" * 200)
@example("x" * 10_000)
@example('" OR ticket_words_index MATCH "')
@example("NEAR(a b, 1) AND NOT c*")
@example("'a':* & !'b'")
def test_no_query_fails(desk: DeskFixture, query: str) -> None:
    assert find_numbers(desk, query) <= ALL


@pytest.fixture(scope="module")
def single_ticket_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeskFixture]:
    """Create a desk with one ticket, in which each test posts its own messages."""
    built = create_desk(tmp_path_factory.mktemp("paper"))
    built.open_ticket(1, "Paper", BO)
    yield built
    built.db.close()


@given(written=st.text(ALPHABET, min_size=1, max_size=80), data=st.data())
def test_every_text_is_found_by_prefixes_of_its_words(
    single_ticket_desk: DeskFixture, written: str, data: st.DataObject
) -> None:
    written = written.replace("\0", "").encode("utf-8", "ignore").decode()
    single_ticket_desk.db.write_sync(_say_instead, written)

    for word in split_words(written):
        begun = word[: data.draw(st.integers(1, len(word)))]
        for asked in split_words(begun):
            assert find_numbers(single_ticket_desk, asked) == {1}, (word, begun)


def _say_instead(tx: Connection, written: str) -> None:
    row = fetch_one(tx, select(tickets).where(tickets.c.subject == "Paper"), TicketRow)
    tx.execute(messages.messages.delete().where(messages.messages.c.ticket == row.id))
    _insert_message(tx, row.id, "reply", written)
    search_index.index_reply(tx, row, split_words(written))


def _insert_message(tx: Connection, ticket: str, kind: str, written: str) -> None:
    known = tx.execute(select(func.count()).select_from(messages.messages)).scalar_one()
    row = {"id": f"m-{known}-{kind}", "ticket": ticket, "kind": kind, "type": "-", "origin": "-"}
    more = {"author": "-", "at": 1, "data": "{}", "text": written, "html": "", "revision": 1}
    tx.execute(insert(messages.messages), row | more)


def test_a_note_is_found_only_by_viewers_who_may_read_notes(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "The crane", BO)

    def add(tx: Connection) -> None:
        [ticket] = tx.execute(select(tickets.c.id)).scalars()
        _insert_message(tx, ticket, "note", "Beware of Bo")
        reindex_replies(tx, ticket)

    desk.db.write_sync(add)

    assert (find_numbers(desk, "beware", ADA), find_numbers(desk, "beware", BO)) == (set(), set())
    desk.db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM messages WHERE text LIKE '%secret%'",
        "UPDATE messages SET text = NULL WHERE text LIKE '%secret%'",
        "UPDATE messages SET text = 'hush' WHERE text LIKE '%secret%'",
        "UPDATE messages SET kind = 'note' WHERE text LIKE '%secret%'",
        "UPDATE tickets SET subject = 'gone' WHERE subject LIKE '%secret%'",
        "DELETE FROM tickets",
    ],
)
def test_text_removed_directly_is_no_longer_found(tmp_path: Path, statement: str) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "A secret" if "tickets" in statement else "The crane", BO)
    desk.post_message(1, BO, "The first word")
    desk.post_message(1, BO, "Something" if "tickets" in statement else "My secret")
    assert find_numbers(desk, "secret") == {1}

    desk.db.write_sync(lambda tx: tx.execute(text(statement)))

    assert find_numbers(desk, "secret") == set()
    assert desk.db.read_sync(_indexed, "secret") == 0
    if statement.endswith("'%secret%'"):
        desk.post_message(1, BO, "Another one")
        assert find_numbers(desk, "first another") == {1}
    desk.db.close()


def _indexed(tx: Connection, word: str) -> int:
    """Count the tickets that the search index has for `word`, visible or not."""
    asked = search_index.select_matching_ticket_ids(
        tx, channels.guild(HARBOUR_GUILD), {word: set()}
    )
    return len(tx.execute(asked).all())


def test_a_deleted_ticket_is_neither_found_nor_counted(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "The crane", BO)
    desk.open_ticket(2, "The crane", BO)

    desk.delete_ticket(1)

    assert find_numbers(desk, "crane") == {2}
    assert find_numbers(desk, "") == {2}
    desk.db.close()


def test_a_ticket_with_more_words_than_the_index_keeps_is_accepted(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, "The crane", BO)
    for start in range(0, 30_000, 1_500):
        desk.post_message(
            1, BO, " ".join(f"w{number:05}" for number in range(start, start + 1_500))[:9999]
        )
    desk.post_message(1, BO, "漢" * 9_999)
    desk.post_message(1, BO, "x" * 9_999)

    longest = desk.db.read_sync(lambda tx: tx.execute(select(ticket_words.c.talk)).scalar_one())

    assert len(longest) <= MAX_TALK_LENGTH
    assert find_numbers(desk, "w00000 crane") == {1}
    desk.db.close()


@pytest.mark.parametrize("query", ["ﷺ" * 200, " ".join("abcdefghijklmnopqrstuvwxyz"), "a " * 100])
def test_the_words_of_a_query_are_limited(desk: DeskFixture, query: str) -> None:
    assert find_numbers(desk, query) <= ALL
    assert (
        len(split_words(parse_ticket_filter({"q": query}).query)[:MAX_QUERY_WORDS])
        <= MAX_QUERY_WORDS
    )


def test_a_prefix_may_match_very_many_names(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    guild = channels.guild(HARBOUR_GUILD)
    desk.open_ticket(1, "The crane", BO)
    rows = [
        {"workspace": guild, "word": f"cas{number}", "principal": f"discord:{number}"}
        for number in range(2 * MAX_MATCHES)
    ]
    desk.db.write_sync(lambda tx: tx.execute(insert(name_words), rows))

    assert len(desk.db.read_sync(find_by_name_prefix, guild, ["cas"])["cas"]) == MAX_MATCHES
    assert find_numbers(desk, "cas crane") == set(), "of very many only the first are meant"
    assert find_numbers(desk, "castell crane") == {1}
    desk.db.close()


def test_stored_counts_equal_a_fresh_count(tmp_path: Path) -> None:
    desk = create_desk(tmp_path)
    for number in range(1, 7):
        desk.open_ticket(number, "The crane", BO)
    desk.claim_ticket(1)
    desk.close_ticket(2)
    desk.set_ticket_status(3, "PENDING")
    desk.delete_ticket(4)
    desk.delete_ticket(2)
    desk.db.write_sync(
        lambda tx: tx.exec_driver_sql("UPDATE tickets SET status = 'review' WHERE number = 5")
    )
    desk.db.write_sync(lambda tx: tx.exec_driver_sql("DELETE FROM tickets WHERE number = 6"))

    guild = channels.guild(HARBOUR_GUILD)
    viewer = desk.read_viewer(ADA)
    stored_counts = desk.db.read_sync(counts.count_by_status, viewer, guild)
    counted = desk.db.read_sync(counts.count_matching_by_status, _all_of(guild))
    desk.db.close()

    assert stored_counts == counted
    assert {status: number for status, number in stored_counts.items() if number} == {
        "active": 1,
        "waiting": 1,
        "review": 1,
    }


def _all_of(workspace: str) -> ColumnElement[bool]:
    return (tickets.c.workspace == workspace) & tickets.c.deleted_at.is_(None)


def test_open_tickets_are_counted_for_viewers_and_participants(
    desk: DeskFixture,
) -> None:
    def read(viewer: Viewer) -> dict[str, int]:
        return desk.db.read_sync(counts.count_open_by_workspace, viewer)

    assert read(desk.read_viewer(ADA)) == {channels.guild(HARBOUR_GUILD): 5}
    assert read(desk.read_viewer(BO)) == {channels.guild(HARBOUR_GUILD): 2}
