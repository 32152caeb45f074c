"""Where tickets are: servers and organizations, and what screens call the latter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from deskwire.events.channels import is_request
from deskwire.workspaces.organizations.organizations import (
    Organization,
    read_category_names,
    read_some,
)


@dataclass(frozen=True, slots=True)
class Places:
    """Names of the organizations and categories that tickets name; of servers nothing."""

    organizations: Mapping[str, Organization] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


NOWHERE = Places()


def read_places(tx: Connection, rows: Iterable[Any]) -> Places:
    """What `named` needs of organizations: at most two statements, none for servers' tickets."""
    return complete(tx, rows, None)


def complete(tx: Connection, rows: Iterable[Any], known: Places | None) -> Places:
    """`read_places`, where some are known already: what is not among them is read."""
    places = known or NOWHERE
    wanted = [row for row in rows if is_request(row.workspace)]
    organizations = {row.workspace.removeprefix("org:") for row in wanted}
    categories = {row.category for row in wanted if row.category}
    return Places(
        {**places.organizations, **read_some(tx, organizations - places.organizations.keys())},
        {**places.categories, **read_category_names(tx, categories - places.categories.keys())},
    )
