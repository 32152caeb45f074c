"""Test that direct edits of the database appear in an open page without a reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from deskwire.tickets.tables import tickets
from tests.browser.conftest import OpenVisitor
from tests.fixtures import dom_snapshot
from tests.fixtures.browser_company import create_organization
from tests.fixtures.guild import GuildFixture
from tests.fixtures.running_desk import run_sql_directly
from tests.fixtures.stream_server import wait_until


@pytest.fixture
def direct_edit(guild: GuildFixture):
    def run(statement: str) -> None:
        run_sql_directly(guild.server.database_url, statement.format(here=guild.workspace))

    return run


def wait_until_erased(guild: GuildFixture, subject: str) -> None:
    """Wait for the erasure: a ticket that is restored before it keeps its texts."""
    left = select(tickets.c.id).where(
        tickets.c.workspace == guild.workspace, tickets.c.subject == subject
    )
    with guild.server.open_database() as db:
        wait_until(lambda: db.read_sync(lambda tx: tx.execute(left).first()) is None)


EDITS = {
    "a subject": "UPDATE tickets SET subject = 'The big crane' WHERE workspace = '{here}'",
    "a status": "UPDATE tickets SET status = 'review' WHERE workspace = '{here}'",
    "a message": "UPDATE messages SET text = 'It *really* hurts', html = '<b>' WHERE "
    "kind = 'reply' AND ticket IN (SELECT id FROM tickets WHERE workspace = '{here}')",
    "no message": "DELETE FROM messages WHERE kind = 'reply' AND ticket IN "
    "(SELECT id FROM tickets WHERE workspace = '{here}')",
    "a name": "UPDATE guilds SET name = 'Pier' WHERE 'guild:' || id = '{here}'",
}
PAGES = ("/guilds", "/guilds/{guild}", "/guilds/{guild}/tickets", "/guilds/{guild}/tickets/1")


@pytest.mark.parametrize("page", PAGES)
def test_after_a_direct_edit_an_open_page_equals_a_reloaded_one(
    guild: GuildFixture, open_visitor: OpenVisitor, direct_edit, page: str
) -> None:
    cookie = guild.server.create_account(guild.mo)
    guild.open_ticket(1, "The crane")
    guild.post_message(1, guild.bo, "It hurts", side="customer")
    path = page.format(guild=guild.guild_id)
    live, fresh = open_visitor(cookie, path), open_visitor(cookie)
    live.evaluate("window.isTheSamePage = true")

    for statement in EDITS.values():
        mark = guild.server.log.end
        direct_edit(statement)
        guild.server.log.wait_for_line(r"Broadcasting .*", after=mark)
        fresh.open(path)
        expected = fresh.evaluate(dom_snapshot.snapshot_script("main"))
        live.page.wait_for_function(dom_snapshot.MATCHES_SCRIPT, arg=["main", expected])

    assert live.evaluate("window.isTheSamePage")


def test_a_ticket_deleted_directly_disappears_and_reappears_when_restored(
    guild: GuildFixture, open_visitor: OpenVisitor, direct_edit
) -> None:
    cookie = guild.server.create_account(guild.mo)
    guild.open_ticket(1, "The crane")
    live = open_visitor(cookie, f"/guilds/{guild.guild_id}/tickets")
    row = live.find(f"main a[href$='/guilds/{guild.guild_id}/tickets/1']")
    expect(row.first).to_contain_text("The crane")

    direct_edit("UPDATE tickets SET deleted_at = 5 WHERE workspace = '{here}'")
    expect(row).to_have_count(0)
    wait_until_erased(guild, "The crane")

    direct_edit("UPDATE tickets SET deleted_at = NULL WHERE workspace = '{here}'")
    expect(row).not_to_have_count(0)
    expect(row.first).not_to_contain_text("The crane")  # its texts were erased


def test_a_renamed_category_changes_on_every_open_page(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    cookie = guild.server.sign_up("Bo Painter", f"painter{guild.guild_id}@portal.test")
    bo, list_, settings = open_visitor(cookie), open_visitor(cookie), open_visitor(cookie)
    create_organization(bo, f"Painters {guild.guild_id[-4:]}")
    slug = bo.page.url.rpartition("/")[2]
    bo.open("/requests/new")
    bo.page.get_by_label("Title").fill("The wall")
    bo.page.get_by_label("Description").fill("Is grey.")
    bo.page.get_by_label("Category").select_option(index=1)
    bo.page.get_by_role("button", name="Submit request").click()
    bo.expect_live()
    list_.open("/requests")
    settings.open(f"/orgs/{slug}/settings")

    organization = f"(SELECT id FROM organizations WHERE slug = '{slug}')"
    renamed = f"UPDATE categories SET name = 'Paint & Co' WHERE organization = {organization}"
    run_sql_directly(guild.server.database_url, f"{renamed} AND place = 0")

    expect(bo.find("#ticket dl [data-field='category.name']")).to_have_text("Paint & Co")
    expect(list_.find(".request-under")).to_contain_text("Paint & Co")
    expect(settings.find("#categories")).to_contain_text("Paint & Co")
