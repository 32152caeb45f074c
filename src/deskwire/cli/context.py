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
    from deskwire.settings import load

    return load()


@contextmanager
def reading(settings: Settings, *, ready: bool = True) -> Iterator[Database]:
    """The database, to be read; `ready`: only at the schema this version needs."""
    from deskwire.server.services import look_at

    db = look_at(settings.database_url, ready=ready)
    try:
        yield db
    finally:
        db.close()


def write(
    settings: Settings, command: str, arguments: dict[str, Any], *, may_begin: bool = False
) -> Any:  # noqa: ANN401 - JSON
    """Run a command in the serving process, or here if nobody serves or all may write.

    `may_begin`: where there is no SQLite file yet one is made and told of, instead of taking
    this for the wrong folder.
    """
    from deskwire.kit.sqlite import SCHEME, path_of
    from deskwire.server.services import run_command

    url = settings.database_url
    is_new = url.startswith(SCHEME) and not path_of(url).exists()
    made = run_command(url, command, arguments, may_begin=may_begin)
    if is_new:
        print(f"Began a new database: {path_of(url)}")
    return made


def is_here(settings: Settings) -> bool:
    """Whether a server on this machine may be serving the database of these settings."""
    from deskwire.kit.sqlite import SCHEME
    from deskwire.server.control import read_url

    return not settings.database_url.startswith(SCHEME) or bool(read_url(settings.database_url))
