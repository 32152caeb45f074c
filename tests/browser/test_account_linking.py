"""Test that linking, unlinking and role changes in the CLI show on the page that is open."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from deskwire.server.control import send_command
from tests.browser.conftest import OpenVisitor
from tests.fixtures.cast import Persona
from tests.fixtures.guild import GuildFixture
from tests.fixtures.running_desk import run_sql_directly

UNLINKED = "which isn’t linked yet"


def ask(guild: GuildFixture, command: str, persona: Persona, **more: str) -> None:
    """What `deskwire people …` asks of the server."""
    assert send_command(guild.server.database_file, command, {"email": persona.email, **more})


def test_the_server_list_fills_and_empties_as_the_account_is_linked_and_unlinked(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    page = open_visitor(guild.server.create_account(guild.mo, linked=False), "/guilds")
    expect(page.find("#servers")).to_contain_text(UNLINKED)

    ask(guild, "people.link", guild.mo, discord=guild.mo.discord_id)
    expect(page.find("#guilds")).to_contain_text(guild.name)
    expect(page.find_toast("Discord account linked")).to_be_visible()
    ask(guild, "people.unlink", guild.mo)

    expect(page.find("#servers")).to_contain_text(UNLINKED)
    expect(page.find("#guilds")).not_to_contain_text(guild.name)
    expect(page.find_toast("Discord account unlinked")).to_be_visible()


def test_a_person_linked_to_an_account_without_servers_is_not_asked_to_link_it(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    page = open_visitor(guild.server.create_account(guild.dee, linked=False), "/guilds")
    expect(page.find("#servers")).to_contain_text(UNLINKED)

    ask(guild, "people.link", guild.dee, discord=guild.dee.discord_id)

    expect(page.find("#servers")).to_contain_text("as soon as the bot is added")
    expect(page.find("#servers")).not_to_contain_text(UNLINKED)


def test_settings_follow_the_linking_and_unlinking_of_the_account(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    page = open_visitor(guild.server.create_account(guild.dee, linked=False), "/settings")
    expect(page.find("#account")).to_contain_text("Not linked")

    ask(guild, "people.link", guild.dee, discord=guild.dee.discord_id)
    expect(page.find("#account")).to_contain_text(guild.dee.discord_id)
    ask(guild, "people.unlink", guild.dee)

    expect(page.find("#account")).to_contain_text("Not linked")


@pytest.mark.parametrize("page", ["", "/tickets"])
def test_a_role_without_ticket_access_is_explained_before_and_after_access(
    guild: GuildFixture, open_visitor: OpenVisitor, page: str
) -> None:
    none = "Your role doesn’t allow you to see tickets here"
    cookie = guild.server.create_account(guild.dee)
    guild.assign_role(guild.dee, "Greeters")
    guild.open_ticket(1, "The crane is stuck")
    dee = open_visitor(cookie, f"/guilds/{guild.guild_id}{page}")
    expect(dee.find("main")).to_contain_text(none)

    guild.assign_role(guild.dee, "Tickets Viewer")
    expect(dee.find("main")).to_contain_text("The crane is stuck")
    expect(dee.find("main")).not_to_contain_text(none)
    guild.unassign_role(guild.dee, "Tickets Viewer")

    expect(dee.find("main")).to_contain_text(none)
    expect(dee.find("main")).not_to_contain_text("The crane is stuck")


def test_the_unverified_address_banner_disappears_on_verification(
    guild: GuildFixture, open_visitor: OpenVisitor
) -> None:
    page = open_visitor(guild.server.create_account(guild.dee), "/guilds")
    expect(page.find("#unverified")).to_contain_text(guild.dee.email)

    proven = f"UPDATE people SET email_verified_at = 5 WHERE email = '{guild.dee.email}'"
    run_sql_directly(guild.server.database_url, proven)

    expect(page.find("#unverified")).to_be_hidden()
