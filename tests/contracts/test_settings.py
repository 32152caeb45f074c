"""Check that the settings are the same in the code, in .env.example and in the docs."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from deskwire.settings import Settings
from deskwire.workspaces.guilds.permissions import ROLE_PRESETS, DiscordPermission, permission_names
from tests.contracts.source_files import read_file

FIELDS = {name.upper(): field for name, field in Settings.model_fields.items()}


def test_the_example_file_has_every_setting_with_its_default_and_reason() -> None:
    found = re.findall(r"^# (.+)\n#([A-Z_]+)=(.*)$", read_file(".env.example"), re.MULTILINE)

    assert [(name, reason, default) for reason, name, default in found] == [
        (name, field.description, default_of(name)) for name, field in FIELDS.items()
    ], ".env.example is not what src/deskwire/settings.py says"


def test_the_docs_have_every_setting_with_its_default_and_reason() -> None:
    page = read_file("docs/settings.md")
    rows = re.findall(
        r"^\| \[`([A-Z_]+)`\]\(#([a-z_-]+)\) \| (.*?) ?\| (.*) \|$", page, re.MULTILINE
    )

    assert [(name, default.strip("`"), reason) for name, _, default, reason in rows] == [
        (name, default_of(name), field.description) for name, field in FIELDS.items()
    ], "the table of docs/settings.md is not what src/deskwire/settings.py says"
    headings = {
        heading.lower().replace(" ", "-")
        for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)
    }
    assert {anchor for _, anchor, _, _ in rows} == headings


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_description(name: str) -> None:
    assert FIELDS[name].description, f"src/deskwire/settings.py: {name} needs a description"


def test_the_docs_name_every_permission_and_its_default_roles() -> None:
    page = read_file("docs/permissions.md")
    rows = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \|", page, re.MULTILINE)
    presets = dict(re.findall(r"^\| `(Tickets [A-Za-z]+)` \| (.+) \|$", page, re.MULTILINE))

    assert [(1 << int(bit), name) for bit, name in rows] == [
        (int(permission), permission.name) for permission in DiscordPermission
    ], "the bits of docs/permissions.md are not those of guilds/permissions.py"
    assert presets.keys() == ROLE_PRESETS.keys()
    for role, listed in presets.items():
        names = permission_names(ROLE_PRESETS[role])
        documented = (
            [each.name for each in DiscordPermission]
            if listed == "all"
            else re.findall("[A-Z_]+", listed)
        )
        assert sorted(documented) == sorted(names), (
            f"docs/permissions.md: {role} starts with {names}"
        )


def default_of(name: str) -> str:
    """As one would write it into a file."""
    default = FIELDS[name].default
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return str(default).lower() if isinstance(default, bool) else str(default)
