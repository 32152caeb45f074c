"""Test that changing one of many replies reads none of the others, and that all are found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from deskwire.kit.ids import new_id
from deskwire.kit.text import split_words
from deskwire.tickets import search_index
from deskwire.tickets.actions import post_message
from deskwire.tickets.prepared_text import prepare_text
from deskwire.tickets.search_index import (
    MAX_REPLIES_READ,
    find_incomplete_entry,
    select_matching_ticket_ids,
    ticket_words,
)
from deskwire.tickets.search_reindexer import SearchReindexer
from tests.fixtures.cast import BO, create_desk
from tests.fixtures.portal import PortalFixture, create_portal

REPLIES = MAX_REPLIES_READ + 5


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    desk = create_desk(tmp_path)
    yield create_portal(desk)
    desk.db.close()


def is_found(portal: PortalFixture, word: str) -> bool:
    """Whether a search for the word finds any ticket."""
    return portal.desk.db.read_sync(
        lambda tx: tx.execute(select_matching_ticket_ids(tx, None, {word: ()})).first() is not None
    )


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the search index splits into words within a transaction."""
    texts: list[str] = []

    def split_noted(text: str) -> list[str]:
        texts.append(text)
        return split_words(text)

    monkeypatch.setattr(search_index, "split_words", split_noted)
    return texts


def create_long_request(portal: PortalFixture) -> tuple[str, list[str]]:
    ticket = portal.create_request(BO, "The crane")
    return ticket, [portal.post_message(BO, ticket, f"reply{n:02} common") for n in range(REPLIES)]


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_changing_one_of_many_replies_reads_no_other(
    portal: PortalFixture, splits: list[str], change: str
) -> None:
    ticket, ids = create_long_request(portal)
    splits.clear()

    if change == "edit":
        text = prepare_text("anchor common")
        portal.act_as(BO, post_message.edit_message, ticket, ids[3], text)
    else:
        portal.act_as(BO, post_message.delete_message, ticket, ids[3])

    assert splits == []
    assert not is_found(portal, "reply03")
    assert is_found(portal, "anchor") == (change == "edit")

    portal.post_message(BO, ticket, "meanwhile")
    reindexer = SearchReindexer(portal.desk.db, clock=lambda: 0.0)
    assert await reindexer.complete_next()
    assert not await reindexer.complete_next()

    assert all(is_found(portal, f"reply{n:02}") == (n != 3) for n in range(REPLIES))
    assert is_found(portal, "meanwhile")
    assert is_found(portal, "anchor") == (change == "edit")


async def test_a_reply_edited_during_reindexing_is_not_found_by_its_old_words(
    portal: PortalFixture,
) -> None:
    ticket, ids = create_long_request(portal)
    portal.act_as(BO, post_message.edit_message, ticket, ids[0], "first")
    entry = portal.desk.db.read_sync(find_incomplete_entry)
    assert entry is not None
    portal.act_as(BO, post_message.edit_message, ticket, ids[1], "second")

    portal.desk.db.write_sync(search_index.complete_entry, entry, ["reply01", "outdated"])

    assert not is_found(portal, "outdated")
    reindexer = SearchReindexer(portal.desk.db, clock=lambda: 0.0)
    assert await reindexer.complete_next()
    assert [is_found(portal, word) for word in ("first", "second", "reply01", "reply02")] == [
        True,
        True,
        False,
        True,
    ]


def test_few_replies_are_indexed_at_once(portal: PortalFixture) -> None:
    ticket = portal.create_request(BO, "The crane")
    first, _ = (portal.post_message(BO, ticket, text) for text in ("one shared", "two shared"))

    portal.act_as(BO, post_message.edit_message, ticket, first, "three")

    assert [is_found(portal, word) for word in ("one", "shared", "three")] == [False, True, True]
    assert portal.desk.db.read_sync(find_incomplete_entry) is None


async def test_an_incomplete_entry_of_a_deleted_ticket_is_dropped(portal: PortalFixture) -> None:
    ticket, ids = create_long_request(portal)
    portal.act_as(BO, post_message.edit_message, ticket, ids[0], "first")

    portal.desk.db.write_sync(
        lambda tx: tx.execute(ticket_words.delete().where(ticket_words.c.ticket == ticket))
    )

    assert not await SearchReindexer(portal.desk.db).complete_next()


def test_the_marker_of_an_incomplete_entry_is_never_found(portal: PortalFixture) -> None:
    ticket, ids = create_long_request(portal)
    portal.act_as(BO, post_message.edit_message, ticket, ids[0], "first")
    mark = portal.desk.db.read_sync(
        lambda tx: str(tx.execute(select(ticket_words.c.talk)).scalars().first())
    ).partition(" ")[0]

    assert mark.startswith(search_index.INCOMPLETE_PREFIX)
    assert not is_found(portal, "incomplete")
    assert not is_found(portal, new_id())
