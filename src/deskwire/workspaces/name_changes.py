"""Change the name of a person or Discord user, and the search index of names with it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from deskwire.accounts import authentication
from deskwire.accounts.authentication import Browser
from deskwire.accounts.people import update_person_row
from deskwire.accounts.sessions import NewSession
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.workspaces.name_index import update_name_index
from deskwire.workspaces.origin import Principal


def record_discord_name(tx: Connection, principal: Principal, name: str, at: Millis) -> None:
    """Store a Discord user's name; an older name (by `at`, ms) never replaces a newer one."""
    row = {"principal": principal, "name": name, "named_at": at}
    if tx.execute(_UPSERT_DISCORD_NAME, row).first() is not None:
        update_name_index(tx, principal, name)


_UPSERT_DISCORD_NAME = text(
    "INSERT INTO discord_users (principal, name, named_at) VALUES (:principal, :name, :named_at) "
    "ON CONFLICT (principal) DO UPDATE SET name = excluded.name, named_at = excluded.named_at "
    "WHERE discord_users.named_at <= excluded.named_at "  # SQLite and PostgreSQL alike
    "RETURNING principal"
)


def rename_person(tx: Connection, person_id: PersonId, name: str, at: Millis) -> None:
    """Change a person's name."""
    update_person_row(tx, person_id, name=name, at=at)
    update_name_index(tx, person_id, name)


def activate_account(
    tx: Connection, token: str, name: str, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    """Redeem an activation link: set the name and password, and sign in.

    Raises NotFound if the link is not usable any more.
    """
    new = authentication.redeem_activation_link(tx, token, name, password_hash, browser, at)
    update_name_index(tx, new.session.person, name)
    return new
