"""`deskwire sql` beside a running server: it runs there, and open streams hear of it at once."""

from __future__ import annotations

import pytest

from tests.fixtures.guild import Place

pytestmark = pytest.mark.database("sqlite")


def test_what_the_shell_changes_is_heard_on_an_open_stream(place: Place) -> None:
    update = f"UPDATE guilds SET name = 'Pier' WHERE id = '{place.guild}'"

    with place.listen(place.staff()) as stream:
        said = place.server.command("sql", update)
        event = stream.until_type("guild.updated")

    data = event.told["data"]
    assert said == "1 row changed\n"
    assert (event.type, data["actor"], data["now"]["name"]) == (
        "guild.updated",
        "sql",
        "Pier",
    )


def test_what_the_shell_reads_is_a_table(place: Place) -> None:
    said = place.server.command("sql", f"SELECT name FROM guilds WHERE id = '{place.guild}'")

    assert said.splitlines()[0] == "name"
    assert said.splitlines()[2] == place.name
