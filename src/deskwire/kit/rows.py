"""Fetch rows as the typed views that the tables' modules declare.

A view is a class of annotations, one per column, never instantiated:

    class TicketRow:
        id: str
        subject: str | None

The functions return SQLAlchemy's own rows, tuples whose columns are also attributes, so nothing
is built per row. The view exists for the type checker: a misspelt column fails it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Executable

RowView = TypeVar("RowView")


def fetch_all(
    tx: Connection,
    query: Executable,
    view: type[RowView],
    parameters: Mapping[str, Any] | None = None,
) -> Sequence[RowView]:
    """Return every row of `query`."""
    return cast("Sequence[RowView]", tx.execute(query, parameters).all())


def fetch_one(
    tx: Connection,
    query: Executable,
    view: type[RowView],
    parameters: Mapping[str, Any] | None = None,
) -> RowView:
    """Return the only row of `query`. Raises NoResultFound or MultipleResultsFound."""
    return cast("RowView", tx.execute(query, parameters).one())


def fetch_first(
    tx: Connection,
    query: Executable,
    view: type[RowView],
    parameters: Mapping[str, Any] | None = None,
) -> RowView | None:
    """Return the first row of `query`, or None if it has none."""
    return cast("RowView | None", tx.execute(query, parameters).first())
