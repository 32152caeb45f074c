"""Describe API keys for the people who manage them: who created each, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, select

from deskwire.accounts.api_keys import ApiKey
from deskwire.accounts.people import people
from deskwire.events import channels
from deskwire.events.channels import PersonId, Workspace
from deskwire.kit.clock import DAY, Millis
from deskwire.workspaces.guilds.guilds import read_guild_names
from deskwire.workspaces.guilds.permissions import permission_names
from deskwire.workspaces.organizations.organizations import organization_members, organizations

EXPIRES_SOON = 14 * DAY  # ms before its expiry in which a key is marked
GUILD_PREFIX = "guild:"


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """Who created a key. `has_left`: they may no longer open what the key belongs to."""

    name: str
    has_left: bool
    is_deleted: bool = False  # the account; its name was erased


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as lists show it at the time `at` (ms). Without a maker it was made in the shell."""

    key: ApiKey
    maker: KeyMaker | None
    guild_name: str | None
    at: Millis

    @property
    def is_expired(self) -> bool:
        return not self.key.is_live(self.at)

    @property
    def is_unused(self) -> bool:
        return self.key.is_unused(self.at)

    @property
    def days_left(self) -> int | None:
        """Whole days until the key expires, at least 1; None unless that is soon."""
        if self.key.expires_at is None or self.is_expired:
            return None
        left = self.key.expires_at - self.at
        return max(1, left // DAY) if left <= EXPIRES_SOON else None

    @property
    def permissions(self) -> list[str]:
        """The names of the permissions of a key of a Discord server."""
        return permission_names(self.key.permissions)


@dataclass(frozen=True, slots=True)
class _Maker:
    name: str
    can_sign_in: bool
    is_deleted: bool
    workspaces: frozenset[Workspace]
    is_staff: bool

    def belongs_to(self, workspace: Workspace | None) -> bool:
        return self.can_sign_in and (self.is_staff or workspace in self.workspaces)


def describe_keys(tx: Connection, keys: Collection[ApiKey], at: Millis) -> list[ListedKey]:
    """Describe keys in their order, in at most two statements."""
    makers = _read_makers(tx, {key.created_by for key in keys if key.created_by is not None})
    guild_ids = {id_ for key in keys if (id_ := _guild_id(key)) is not None}
    names = read_guild_names(tx, guild_ids)
    return [
        ListedKey(key, _describe_maker(key, makers), names.get(_guild_id(key) or ""), at)
        for key in keys
    ]


def _describe_maker(key: ApiKey, makers: Mapping[PersonId, _Maker]) -> KeyMaker | None:
    if key.created_by is None:
        return None
    maker = makers.get(key.created_by)
    if maker is None:  # the row was deleted directly in the database
        return KeyMaker("", has_left=True, is_deleted=True)
    return KeyMaker(maker.name, not maker.belongs_to(key.workspace), maker.is_deleted)


def _read_makers(tx: Connection, person_ids: Collection[PersonId]) -> dict[PersonId, _Maker]:
    if not person_ids:
        return {}
    person, member, org = people.c, organization_members.c, organizations.c
    exists = and_(org.id == member.organization, org.deleted_at.is_(None))
    query = (
        select(person.id, person.name, person.deactivated_at, person.deleted_at)
        .add_columns(org.id.label("organization"), org.internal)
        .select_from(people.outerjoin(organization_members, member.person == person.id))
        .outerjoin(organizations, exists)
        .where(person.id.in_(person_ids))
    )
    rows_by_person: dict[PersonId, list[Any]] = {}
    for row in tx.execute(query):
        rows_by_person.setdefault(row.id, []).append(row)
    return {id_: _maker_from_rows(rows) for id_, rows in rows_by_person.items()}


def _maker_from_rows(rows: Sequence[Any]) -> _Maker:
    """Build a maker from a row for each organization they are a member of, at least one row."""
    person = rows[0]
    own = {channels.organization(row.organization) for row in rows if row.organization is not None}
    return _Maker(
        person.name,
        can_sign_in=person.deactivated_at is None and person.deleted_at is None,
        is_deleted=person.deleted_at is not None,
        workspaces=frozenset(own),
        is_staff=any(row.internal for row in rows),
    )


def _guild_id(key: ApiKey) -> str | None:
    if key.kind != "guild" or key.workspace is None:
        return None
    return key.workspace.removeprefix(GUILD_PREFIX)


def needing_attention(keys: Iterable[ListedKey]) -> list[ListedKey]:
    """Return the keys that are unused, expired or about to expire."""
    return [each for each in keys if each.is_unused or each.is_expired or each.days_left]
