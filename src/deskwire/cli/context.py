"""Give commands access to the settings and the database, also while a server is using it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from deskwire.kit.db import Database
    from deskwire.settings import Settings

MAX_ID = 2**63 - 1  # the largest value of a database's integer column


def check_id_range(value: int | None) -> int | None:
    """Return an id or a position that a database can hold. Raises BadParameter."""
    # Not `min` and `max` of the option, which would print 2**63 into the help.
    if value is not None and not 0 <= value <= MAX_ID:
        raise typer.BadParameter(f"{value} must be from 0 to {MAX_ID}.")
    return value


def read_settings() -> Settings:
    """Load the settings. Raises InvalidSettings."""
    from deskwire.settings import load_settings

    return load_settings()


@contextmanager
def open_for_reading(
    settings: Settings, *, require_current_schema: bool = True
) -> Iterator[Database]:
    """Open the database for reading. Raises as `connect_for_reading` does."""
    from deskwire.server.open_database import connect_for_reading, explaining_damage

    db = connect_for_reading(settings.database_url, require_current_schema=require_current_schema)
    try:
        with explaining_damage(db):
            yield db
    finally:
        db.close()


def run_command(
    settings: Settings, command: str, arguments: dict[str, Any], *, create_if_missing: bool = False
) -> Any:  # noqa: ANN401 - JSON
    """Run an admin command in the serving process, or here if there is none or with PostgreSQL.

    With `create_if_missing`, creates a missing SQLite file and reports it; without, a missing file
    is taken for a mistake in DATABASE_URL or the working directory.
    """
    from deskwire.kit.sqlite import URL_PREFIX, parse_sqlite_path
    from deskwire.server.services import run_admin_command

    url = settings.database_url
    is_new = url.startswith(URL_PREFIX) and not parse_sqlite_path(url).exists()
    result = run_admin_command(url, command, arguments, create_if_missing=create_if_missing)
    if is_new:
        print(f"Created a new database: {parse_sqlite_path(url)}")
    return result


def is_served_locally(settings: Settings) -> bool:
    """Whether a server may be using the database of these settings."""
    from deskwire.kit.sqlite import URL_PREFIX
    from deskwire.server.database_lock import read_server_url

    return not settings.database_url.startswith(URL_PREFIX) or bool(
        read_server_url(settings.database_url)
    )


def find_base_url(settings: Settings) -> str:
    """Return PUBLIC_URL, else the URL of the running server, else the one from HOST and PORT."""
    from deskwire.server.database_lock import read_server_url

    return settings.public_url or read_server_url(settings.database_url) or settings.local_url


def print_escaped(line: str) -> None:
    """Print a line with text from other people, escaping what could control the terminal."""
    from deskwire.kit.text import escape_control_characters

    print(escape_control_characters(line))


def format_welcome_link(settings: Settings, result: dict[str, Any]) -> str:
    """Return the URL where a person sets a password, from the result of an admin command."""
    return f"{find_base_url(settings)}/welcome/{result['token']}"
