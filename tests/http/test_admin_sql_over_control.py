"""Test `deskwire sql` beside a running server: it runs there, and open streams follow at once."""

from __future__ import annotations

import pytest

from tests.fixtures.guild import GuildFixture

pytestmark = pytest.mark.database("sqlite")


def test_a_change_by_cli_sql_reaches_an_open_stream(guild: GuildFixture) -> None:
    update = f"UPDATE guilds SET name = 'Pier' WHERE id = '{guild.guild_id}'"

    with guild.open_stream(guild.sign_in_staff()) as stream:
        output = guild.server.run_command_line("sql", update)
        event = stream.read_until_type("guild.updated")

    data = event.data["data"]
    assert output == "1 row changed\n"
    assert (event.type, data["actor"], data["now"]["name"]) == (
        "guild.updated",
        "sql",
        "Pier",
    )


def test_a_cli_query_prints_a_table(guild: GuildFixture) -> None:
    output = guild.server.run_command_line(
        "sql", f"SELECT name FROM guilds WHERE id = '{guild.guild_id}'"
    )

    assert output.splitlines()[0] == "name"
    assert output.splitlines()[2] == guild.name
