"""Say in the log which ticket an entry is about, and what is still to be erased.

Entries and deletions from before are found by their data: the column `ticket` is filled in steps of
a few thousand rows, so that memory stays bounded, and every deletion that the log still has demands
its erasure, which the server does after it has started.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STEP = 5_000  # positions per statement

_DEMANDING = (
    "type IN ('ticket.message_edited', 'ticket.message_deleted', 'ticket.file_removed', "
    "'ticket.deleted', 'organization.deleted')"
)


def upgrade() -> None:
    for table in ("log", "outbox"):
        op.add_column(table, sa.Column("ticket", sa.Text()))
        op.add_column(table, sa.Column("erased_to", sa.BigInteger()))
    op.add_column("deliveries", sa.Column("fingerprint", sa.Text()))
    _fill("log", "position")
    _fill("outbox", "id")
    for table, name, columns, where in (
        ("log", "ix_log_ticket_position", ["ticket", "position"], "ticket IS NOT NULL"),
        ("log", "ix_log_erased_to", ["position"], "erased_to IS NOT NULL"),
        ("participants", "ix_participants_added", ["ticket"], "role = 'added'"),
    ):
        op.create_index(
            name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
        )


def _fill(table: str, key: str) -> None:
    tx = op.get_bind()
    of_ticket = (
        "data::json ->> 'ticket'"
        if tx.dialect.name == "postgresql"
        else "json_extract(data, '$.ticket')"
    )
    first, last = tx.exec_driver_sql(f"SELECT min({key}), max({key}) FROM {table}").one()  # noqa: S608
    if first is None:
        return
    statement = sa.text(
        f"UPDATE {table} SET ticket = {of_ticket}, "  # noqa: S608 - names from this file
        f"erased_to = CASE WHEN {_DEMANDING} THEN 0 END "
        f"WHERE {key} BETWEEN :first AND :last AND type LIKE 'ticket.%' "
        f"OR {key} BETWEEN :first AND :last AND {_DEMANDING}"
    )
    for start in range(first, last + 1, STEP):
        tx.execute(statement, {"first": start, "last": start + STEP - 1})
