"""Grant people their own channel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, Text, and_, literal, null, select

from deskwire.accounts.people import people
from deskwire.events.access import PeopleParameter


def personal_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """Select `user:ID` for every person; a deactivated person gets no grant at all."""
    channel = literal("user:", Text) + people.c.id
    is_active = and_(people.c.id.in_(person_ids), people.c.deactivated_at.is_(None))
    return [select(people.c.id, channel, null(), literal("self")).where(is_active)]
