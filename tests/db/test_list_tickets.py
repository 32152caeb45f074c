"""Search finds what screens show by the beginning of its words, and no query breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Connection, func, insert, select, text

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.kit.text import words_of
from deskwire.tickets import messages, search_index
from deskwire.tickets.queries import counts
from deskwire.tickets.queries.list_tickets import MAX_WORDS, find, parse_wish
from deskwire.tickets.search_index import MAX_TALK, rewrite, ticket_words
from deskwire.tickets.tables import tickets
from deskwire.workspaces.names import MANY, find_called, name_words
from tests.fixtures.cast import ADA, ATTIC, BO, CY, HARBOUR, MO, Actor, House, build

NOBODY_YET = Actor("Nobody Yet", "900000000000001337")
SAID = "Don’t restart_it; write to crane-desk@harbour.example, or see https://desk.test/a?b=c"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    built = build(tmp_path_factory.mktemp("search"))
    built.open_ticket(1, "Übung macht den Meister, 100 % sicher", BO)
    built.open_ticket(2, "Straße_gesperrt \\ Umleitung", CY)
    built.move(3, "PENDING", NOBODY_YET)  # of this one no event has told subject or opener
    built.claim(4, NOBODY_YET)
    built.open_ticket(120, "起重機とクレーン 🏗️", BO)
    built.say(2, CY, SAID)
    built.say(3, CY, None)
    yield built
    built.db.close()


def numbers(house: House, query: str, actor: Actor = ADA) -> set[int]:
    """The tickets of the Harbour that somebody finds."""
    wish = parse_wish({"q": query})
    found = house.db.read_here(find, house.viewer(actor), channels.guild(HARBOUR), wish)
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
def test_what_a_screen_shows_is_found(house: House, query: str, found: set[int]) -> None:
    assert numbers(house, query) == found


def test_a_named_user_is_not_found_by_a_stand_in_nobody_sees(house: House) -> None:
    assert 1 not in numbers(house, BO.discord[-4:])
    assert 1 not in numbers(house, "Discord")


def test_only_what_one_may_see_is_found(house: House) -> None:
    assert numbers(house, "übung", BO) == {1}
    assert numbers(house, "strasse", BO) == set()
    assert numbers(house, "", BO) == {1, 120}
    assert numbers(house, "übung", MO) == {1}


def test_a_new_name_and_a_new_subject_are_found_and_the_old_ones_not(tmp_path: Path) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "Ärger", BO)
    house.change(1, subject={"old": "Ärger", "new": "Öl"})
    house.say(1, Actor("Änne", BO.discord), "that was me")

    try:
        assert numbers(house, "öl änne") == {1}
        assert numbers(house, "ärger") == set()
        assert numbers(house, "castellanos") == set()
    finally:
        house.db.close()


def test_another_server_with_the_same_words_finds_its_own(tmp_path: Path) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "The crane", BO)
    house.open_ticket(2, "The crane", BO, guild=ATTIC)

    found = house.db.read_here(
        find, house.viewer(CY), channels.guild(ATTIC), parse_wish({"q": "crane castellanos"})
    )
    house.db.close()

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
def test_no_query_breaks_it(house: House, query: str) -> None:
    assert numbers(house, query) <= ALL


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with one ticket, in which something else is said each time."""
    built = build(tmp_path_factory.mktemp("paper"))
    built.open_ticket(1, "Paper", BO)
    yield built
    built.db.close()


@given(written=st.text(ALPHABET, min_size=1, max_size=80), data=st.data())
def test_whatever_is_written_is_found_by_the_beginning_of_each_word(
    paper: House, written: str, data: st.DataObject
) -> None:
    written = written.replace("\0", "").encode("utf-8", "ignore").decode()
    paper.db.write_here(_say_instead, written)

    for word in words_of(written):
        begun = word[: data.draw(st.integers(1, len(word)))]
        for asked in words_of(begun):
            assert numbers(paper, asked) == {1}, (word, begun)


def _say_instead(tx: Connection, written: str) -> None:
    row = tx.execute(select(tickets).where(tickets.c.subject == "Paper")).one()
    tx.execute(messages.messages.delete().where(messages.messages.c.ticket == row.id))
    _insert_message(tx, row.id, "reply", written)
    search_index.record_reply(tx, row, written)


def _insert_message(tx: Connection, ticket: str, kind: str, written: str) -> None:
    known = tx.execute(select(func.count()).select_from(messages.messages)).scalar_one()
    row = {"id": f"m-{known}-{kind}", "ticket": ticket, "kind": kind, "type": "-", "origin": "-"}
    more = {"author": "-", "at": 1, "data": "{}", "text": written, "html": "", "revision": 1}
    tx.execute(insert(messages.messages), row | more)


def test_a_note_is_found_by_nobody_who_cannot_read_notes(tmp_path: Path) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "The crane", BO)

    def add(tx: Connection) -> None:
        [ticket] = tx.execute(select(tickets.c.id)).scalars()
        _insert_message(tx, ticket, "note", "Beware of Bo")
        rewrite(tx, ticket)

    house.db.write_here(add)

    assert (numbers(house, "beware", ADA), numbers(house, "beware", BO)) == (set(), set())
    house.db.close()


@pytest.mark.parametrize(
    "deed",
    [
        "DELETE FROM messages WHERE text LIKE '%secret%'",
        "UPDATE messages SET text = NULL WHERE text LIKE '%secret%'",
        "UPDATE messages SET text = 'hush' WHERE text LIKE '%secret%'",
        "UPDATE messages SET kind = 'note' WHERE text LIKE '%secret%'",
        "UPDATE tickets SET subject = 'gone' WHERE subject LIKE '%secret%'",
        "DELETE FROM tickets",
    ],
)
def test_what_is_taken_away_by_hand_is_not_found_any_more(tmp_path: Path, deed: str) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "A secret" if "tickets" in deed else "The crane", BO)
    house.say(1, BO, "The first word")
    house.say(1, BO, "Something" if "tickets" in deed else "My secret")
    assert numbers(house, "secret") == {1}

    house.db.write_here(lambda tx: tx.execute(text(deed)))

    assert numbers(house, "secret") == set()
    assert house.db.read_here(_indexed, "secret") == 0
    if deed.endswith("'%secret%'"):
        house.say(1, BO, "Another one")
        assert numbers(house, "first another") == {1}
    house.db.close()


def _indexed(tx: Connection, word: str) -> int:
    """In how many tickets' words the index finds `word`, whoever may see them."""
    asked = search_index.having(tx, channels.guild(HARBOUR), {word: set()})
    return len(tx.execute(asked).all())


def test_a_deleted_ticket_is_neither_found_nor_counted(tmp_path: Path) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "The crane", BO)
    house.open_ticket(2, "The crane", BO)

    house.delete(1)

    assert numbers(house, "crane") == {2}
    assert numbers(house, "") == {2}
    house.db.close()


def test_a_ticket_may_hold_more_words_than_are_kept(tmp_path: Path) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "The crane", BO)
    for start in range(0, 30_000, 1_500):
        house.say(1, BO, " ".join(f"w{number:05}" for number in range(start, start + 1_500))[:9999])
    house.say(1, BO, "漢" * 9_999)
    house.say(1, BO, "x" * 9_999)

    longest = house.db.read_here(lambda tx: tx.execute(select(ticket_words.c.talk)).scalar_one())

    assert len(longest) <= MAX_TALK
    assert numbers(house, "w00000 crane") == {1}
    house.db.close()


@pytest.mark.parametrize("query", ["ﷺ" * 200, " ".join("abcdefghijklmnopqrstuvwxyz"), "a " * 100])
def test_a_query_has_no_more_words_than_are_searched_quickly(house: House, query: str) -> None:
    assert numbers(house, query) <= ALL
    assert len(words_of(parse_wish({"q": query}).query)[:MAX_WORDS]) <= MAX_WORDS


def test_a_word_may_begin_very_many_names(tmp_path: Path) -> None:
    house = build(tmp_path)
    guild = channels.guild(HARBOUR)
    house.open_ticket(1, "The crane", BO)
    rows = [
        {"workspace": guild, "word": f"cas{number}", "principal": f"discord:{number}"}
        for number in range(2 * MANY)
    ]
    house.db.write_here(lambda tx: tx.execute(insert(name_words), rows))

    assert len(house.db.read_here(find_called, guild, ["cas"])["cas"]) == MANY
    assert numbers(house, "cas crane") == set(), "of very many only the first are meant"
    assert numbers(house, "castell crane") == {1}
    house.db.close()


def test_counts_that_are_kept_are_those_that_would_be_counted(tmp_path: Path) -> None:
    house = build(tmp_path)
    for number in range(1, 7):
        house.open_ticket(number, "The crane", BO)
    house.claim(1)
    house.close(2)
    house.move(3, "PENDING")
    house.delete(4)
    house.delete(2)
    house.db.write_here(
        lambda tx: tx.exec_driver_sql("UPDATE tickets SET status = 'review' WHERE number = 5")
    )
    house.db.write_here(lambda tx: tx.exec_driver_sql("DELETE FROM tickets WHERE number = 6"))

    guild = channels.guild(HARBOUR)
    viewer = house.viewer(ADA)
    kept = house.db.read_here(counts.count, viewer, guild)
    counted = house.db.read_here(counts.count_rows, _all_of(guild))
    house.db.close()

    assert kept == counted
    assert {status: number for status, number in kept.items() if number} == {
        "active": 1,
        "waiting": 1,
        "review": 1,
    }


def _all_of(workspace: str) -> ColumnElement[bool]:
    return (tickets.c.workspace == workspace) & tickets.c.deleted_at.is_(None)


def test_open_tickets_are_counted_where_one_sees_all_and_where_one_takes_part(
    house: House,
) -> None:
    def read(viewer: Viewer) -> dict[str, int]:
        return house.db.read_here(counts.count_open, viewer)

    assert read(house.viewer(ADA)) == {channels.guild(HARBOUR): 5}
    assert read(house.viewer(BO)) == {channels.guild(HARBOUR): 2}
