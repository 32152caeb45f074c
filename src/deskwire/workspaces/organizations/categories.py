"""List, add and archive the categories of an organization's requests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)

from deskwire.events.access import Viewer
from deskwire.kit.db import metadata
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.kit.rows import fetch_all
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import (
    Organization,
    OrganizationRow,
    organization_from_row,
    organizations,
    visible_to,
    where_own,
)
from deskwire.workspaces.organizations.permissions import Permission
from deskwire.workspaces.organizations.settings import (
    lock_client_organization,
    parse_organization_name,
    record_organization_updated,
)

MAX_CATEGORIES = 30  # per organization; a longer list would need a search

categories = Table(
    "categories",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("organization", Text, ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("place", Integer, nullable=False),  # position in the list, from 0
    Column("archived_at", BigInteger),  # ms; only older requests keep an archived category
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_categories_organization_place", "organization", "place"),
)


class CategoryRow:
    """A row of `categories`."""

    id: str
    organization: str
    name: str
    place: int
    archived_at: int | None
    revision: int


_CATEGORY_ORDER = (categories.c.archived_at.is_not(None), categories.c.place, categories.c.id)


@dataclass(frozen=True, slots=True)
class Category:
    """A category of an organization's requests."""

    id: str
    name: str
    archived: bool


def read_categories(tx: Connection, organization_id: str) -> list[Category]:
    """List an organization's categories in their order, archived ones last."""
    query = select(categories).where(categories.c.organization == organization_id)
    rows = fetch_all(tx, query.order_by(*_CATEGORY_ORDER), CategoryRow)
    return [Category(row.id, row.name, row.archived_at is not None) for row in rows]


def read_category_names(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of categories by id."""
    if not ids:
        return {}
    rows = tx.execute(select(categories.c.id, categories.c.name).where(categories.c.id.in_(ids)))
    return {row.id: row.name for row in rows}


def list_own_with_categories(tx: Connection, viewer: Viewer) -> dict[Organization, list[Category]]:
    """List the viewer's own organizations, by name, with their categories, in one statement."""
    return _list_with_categories(tx, where_own(viewer))


def list_visible_with_categories(
    tx: Connection, viewer: Viewer, slug: str
) -> dict[Organization, list[Category]]:
    """List the organizations the viewer may see, by name.

    Only the one with this slug has its categories, the others have an empty list.
    """
    return _list_with_categories(tx, visible_to(viewer), organizations.c.slug == slug)


def read_with_categories(
    tx: Connection, organization_id: str
) -> tuple[Organization | None, list[Category]]:
    """Return the organization of a request that is known to be visible, with its categories."""
    listed = _list_with_categories(tx, organizations.c.id == organization_id)
    return next(iter(listed.items()), (None, []))


def _list_with_categories(
    tx: Connection,
    condition: ColumnElement[bool],
    with_categories_if: ColumnElement[bool] | None = None,
) -> dict[Organization, list[Category]]:
    """List organizations by name, with the categories of those that meet `with_categories_if`."""
    org, category = organizations, categories.c
    joined_on = category.organization == org.c.id
    if with_categories_if is not None:
        joined_on = and_(joined_on, with_categories_if)
    columns = [category[name].label(f"category_{name}") for name in ("id", "name", "archived_at")]
    rows = tx.execute(
        select(org, *columns)
        .outerjoin_from(org, categories, joined_on)
        .where(condition)
        .order_by(org.c.name, org.c.id, *_CATEGORY_ORDER)
    )
    listed: dict[Organization, list[Category]] = {}
    for row in rows:
        organization = organization_from_row(cast("OrganizationRow", row))
        in_organization = listed.setdefault(organization, [])
        if row.category_id is not None:
            is_archived = row.category_archived_at is not None
            in_organization.append(Category(row.category_id, row.category_name, is_archived))
    return listed


def add_category(tx: Connection, actor: Actor, organization_id: str, name: str) -> None:
    """Add a category at the end of the list.

    Raises Invalid if the name is refused, Conflict if it exists already or the list is full.
    """
    organization = lock_client_organization(tx, actor, organization_id, Permission.CATEGORIES)
    existing = read_categories(tx, organization_id)
    parsed_name = parse_organization_name(name)
    if any(category.name == parsed_name for category in existing):
        raise Conflict(gettext("There’s already a category “%(shown)s”.", shown=parsed_name))
    if len(existing) >= MAX_CATEGORIES:
        sentence = gettext(
            "You’ve reached the limit of %(most)s categories. Archived categories count too.",
            most=MAX_CATEGORIES,
        )
        raise Conflict(sentence)
    row = {
        "id": new_id(),
        "organization": organization_id,
        "name": parsed_name,
        "place": len(existing),
        "revision": 1,
    }
    tx.execute(insert(categories).values(row))
    record_organization_updated(tx, actor, organization)


def set_category_archived(
    tx: Connection, actor: Actor, organization_id: str, category_id: str, *, archived: bool
) -> None:
    """Archive a category, so that new requests cannot use it, or restore it.

    Setting the same state again changes nothing. Raises Invalid if there is no such category.
    """
    organization = lock_client_organization(tx, actor, organization_id, Permission.CATEGORIES)
    existing = {category.id: category for category in read_categories(tx, organization_id)}
    if category_id not in existing:
        raise Invalid(gettext("This category doesn’t exist."))
    if existing[category_id].archived == archived:
        return
    values = {
        "archived_at": actor.at if archived else None,
        "revision": categories.c.revision + 1,
    }
    tx.execute(update(categories).where(categories.c.id == category_id).values(values))
    record_organization_updated(tx, actor, organization)
