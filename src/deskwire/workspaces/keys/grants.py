"""Grant API keys their own channel, and the channels of the one role each was given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, literal, null, or_, select, true

from deskwire.accounts.api_keys import api_keys
from deskwire.events.access import PeopleParameter
from deskwire.events.channels import KEY_PREFIX, PEOPLE_CHANNEL, STAFF_CHANNEL
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.organizations.organizations import organizations
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    INTERNAL_ROLES,
    Permission,
    roles_with,
)

VIEW_ALL_BIT = int(DiscordPermission.TICKET_VIEW_ALL)


def select_key_grants(subjects: PeopleParameter) -> list[Select[Any]]:
    """Select the grants of API keys: rows of (subject, channel, workspace, reason).

    A revoked key gets none. A key hears no `user:` channel: what it does is no person's own.
    """
    key = api_keys.c
    subject = literal(KEY_PREFIX, Text) + key.id
    is_live = and_(subject.in_(subjects), key.revoked_at.is_(None))
    return [
        select(subject, subject, null(), literal("self")).where(is_live),
        *_organization_grants(subject, is_live),
        *_desk_grants(subject, is_live),
        *_guild_grants(subject, is_live),
    ]


def _organization_grants(
    subject: ColumnElement[str], is_live: ColumnElement[bool]
) -> list[Select[Any]]:
    key, org = api_keys.c, organizations.c
    workspace = literal("org:", Text) + org.id
    source = api_keys.join(organizations, workspace == key.workspace)
    exists = and_(is_live, key.kind == "organization", org.deleted_at.is_(None), ~org.internal)
    sees_all = or_(
        org.visibility == "members",
        key.role.in_(roles_with(Permission.SEE_ALL, among=CLIENT_ROLES)),
    )
    whole = workspace + literal(":", Text) + cast(org.generation, Text)
    return [
        select(subject, channel, workspace, key.role).select_from(source).where(exists, condition)
        for channel, condition in ((workspace, true()), (whole, sees_all))
    ]


def _desk_grants(subject: ColumnElement[str], is_live: ColumnElement[bool]) -> list[Select[Any]]:
    key = api_keys.c
    sees_people = key.role.in_(roles_with(Permission.PEOPLE, among=INTERNAL_ROLES))
    return [
        select(subject, literal(channel), null(), key.role).where(
            is_live, key.kind == "desk", condition
        )
        for channel, condition in ((STAFF_CHANNEL, true()), (PEOPLE_CHANNEL, sees_people))
    ]


def _guild_grants(subject: ColumnElement[str], is_live: ColumnElement[bool]) -> list[Select[Any]]:
    """Select the guild of a guild's key, and all guilds for the bot's."""
    key = api_keys.c
    workspace = literal("guild:", Text) + guilds.c.id
    is_bot = key.kind == "bot"
    source = api_keys.join(
        guilds, or_(is_bot, and_(key.kind == "guild", key.workspace == workspace))
    )
    sees_all = or_(is_bot, key.permissions.bitwise_and(VIEW_ALL_BIT) != 0)
    tickets = literal("tickets:", Text) + workspace
    return [
        select(subject, channel, workspace, key.kind).select_from(source).where(is_live, condition)
        for channel, condition in ((workspace, true()), (tickets, sees_all))
    ]
