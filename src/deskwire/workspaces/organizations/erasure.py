"""Erase the rows of a deleted organization: its description, categories, invitations and names."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

from deskwire.dispatches import mail, timers
from deskwire.kit.rows import fetch_first
from deskwire.workspaces.name_index import name_words
from deskwire.workspaces.organizations.categories import categories
from deskwire.workspaces.organizations.invitations import EXPIRY_TIMER, invitations, mail_key
from deskwire.workspaces.organizations.organizations import OrganizationRow, organizations

WORDS_PER_SLICE = 500  # rows; an organization has a few words per person


def is_organization_gone(tx: Connection, organization_id: str) -> bool:
    """Whether an organization is deleted, or there is none with this id."""
    row = _read_row(tx, organization_id)
    return row is None or row.deleted_at is not None


def erase_organization(tx: Connection, organization_id: str) -> bool:
    """Erase as much as a slice allows of a deleted organization; return whether nothing is left.

    Its row keeps an id and times; its members keep their rows, which name no one. An organization
    that was restored since stays as it is.
    """
    row = _read_row(tx, organization_id)
    if row is not None and row.deleted_at is None:
        return True
    some = name_words.c.workspace == f"org:{organization_id}"
    words = select(name_words.c.word).where(some).distinct().limit(WORDS_PER_SLICE)
    if list(found := tx.execute(words).scalars().all()):
        tx.execute(delete(name_words).where(some, name_words.c.word.in_(found)))
        return False
    _delete_invitations(tx, organization_id)
    mine = categories.c.organization == organization_id
    cleared = {"name": "", "revision": categories.c.revision + 1}
    tx.execute(update(categories).where(mine, categories.c.name != "").values(cleared))
    if row is not None and (row.name or row.about):
        values = {"name": "", "about": None, "revision": organizations.c.revision + 1}
        tx.execute(update(organizations).where(organizations.c.id == row.id).values(values))
    return True


def _delete_invitations(tx: Connection, organization_id: str) -> None:
    """Delete an organization's invitations, with their timers and the mail that brought them."""
    theirs = invitations.c.organization == organization_id
    ids = tx.execute(select(invitations.c.id).where(theirs)).scalars().all()
    mail.delete_by_keys(tx, [mail_key(id_) for id_ in ids])
    timers.cancel_all(tx, EXPIRY_TIMER, ids)
    tx.execute(delete(invitations).where(theirs))
    mail.delete_orphans(tx, mail_key(""), select(invitations.c.id))  # of rows deleted by SQL


def _read_row(tx: Connection, organization_id: str) -> OrganizationRow | None:
    query = select(organizations).where(organizations.c.id == organization_id)
    return fetch_first(tx, query, OrganizationRow)
