"""How the shell's commands reach the settings and the database, beside whoever serves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deskwire.kit.db import Database
    from deskwire.settings import Settings


def read_settings() -> Settings:
    """The settings of this process."""
    from deskwire.settings import load_settings

    return load_settings()


@contextmanager
def open_for_reading(
    settings: Settings, *, require_current_schema: bool = True
) -> Iterator[Database]:
    """The database, to be read; `ready`: only at the schema this version needs."""
    from deskwire.server.services import connect_for_reading

    db = connect_for_reading(settings.database_url, require_current_schema=require_current_schema)
    try:
        yield db
    finally:
        db.close()


def run_command(
    settings: Settings, command: str, arguments: dict[str, Any], *, create_if_missing: bool = False
) -> Any:  # noqa: ANN401 - JSON
    """Run a command in the serving process, or here if nobody serves or all may write.

    `may_begin`: where there is no SQLite file yet one is made and told of, instead of taking
    this for the wrong folder.
    """
    from deskwire.kit.sqlite import URL_PREFIX, parse_sqlite_path
    from deskwire.server.services import run_admin_command

    url = settings.database_url
    is_new = url.startswith(URL_PREFIX) and not parse_sqlite_path(url).exists()
    made = run_admin_command(url, command, arguments, create_if_missing=create_if_missing)
    if is_new:
        print(f"Began a new database: {parse_sqlite_path(url)}")
    return made


def is_served_locally(settings: Settings) -> bool:
    """Whether a server on this machine may be serving the database of these settings."""
    from deskwire.kit.sqlite import URL_PREFIX
    from deskwire.server.control import read_server_url

    return not settings.database_url.startswith(URL_PREFIX) or bool(
        read_server_url(settings.database_url)
    )
