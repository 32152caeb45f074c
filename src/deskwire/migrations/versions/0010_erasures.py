"""Say in the log which ticket an entry is about, and what is still to be erased.

Entries and deletions from before are found by their data: the column `ticket` is filled in steps of
a few thousand rows, so that memory stays bounded, and every deletion that the log still has demands
its erasure, which the server does after it has started.

What earlier versions left to people who have lost access goes too: events with the state of a
ticket or a server on a person's own channel, which no right protects, and the participation of
those who have no role in the organization of a request any more.
"""

from __future__ import annotations

import json

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

# The types of events with the state of a ticket or a server; "ticket.read" has none.
_STATE_TYPES = "(type LIKE 'guild.%' OR type LIKE 'ticket.%' AND type <> 'ticket.read')"
# As `end_participation` in tickets/actions/offboarding.py does for one person. Discord users who
# are no person here have no membership that could have ended.
_END_PARTICIPATION = """
    DELETE FROM participants
    WHERE role <> 'added' AND principal NOT LIKE 'discord:%'
    AND ticket IN (SELECT id FROM tickets WHERE workspace LIKE 'org:%')
    AND NOT EXISTS (
        SELECT 1 FROM tickets t, organization_members m
        JOIN organizations o ON o.id = m.organization
        WHERE t.id = participants.ticket AND m.person = participants.principal
        AND (o.internal OR t.workspace = 'org:' || o.id)
    )
"""


def upgrade() -> None:
    for table in ("log", "outbox"):
        op.add_column(table, sa.Column("ticket", sa.Text()))
        op.add_column(table, sa.Column("erased_to", sa.BigInteger()))
    op.add_column("deliveries", sa.Column("fingerprint", sa.Text()))
    for table, key in (("log", "position"), ("outbox", "id")):
        _fill(table, key)
        _clear_personal_channels(table, key)
    op.execute(sa.text(_END_PARTICIPATION))
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
    statement = sa.text(
        f"UPDATE {table} SET ticket = {of_ticket}, "  # noqa: S608 - names from this file
        f"erased_to = CASE WHEN {_DEMANDING} THEN 0 END "
        f"WHERE {key} BETWEEN :first AND :last AND type LIKE 'ticket.%' "
        f"OR {key} BETWEEN :first AND :last AND {_DEMANDING}"
    )
    for step in _list_steps(table, key):
        tx.execute(statement, step)


def _clear_personal_channels(table: str, key: str) -> None:
    tx = op.get_bind()
    query = sa.text(
        f"SELECT {key}, channels FROM {table} "  # noqa: S608 - names from this file
        f"WHERE {key} BETWEEN :first AND :last AND channels LIKE '%\"user:%' AND {_STATE_TYPES}"
    )
    update = sa.text(f"UPDATE {table} SET channels = :kept WHERE {key} = :of")  # noqa: S608
    for step in _list_steps(table, key):
        for id_, channels in tx.execute(query, step).all():
            kept = [each for each in json.loads(channels) if not each.startswith("user:")]
            tx.execute(update, {"of": id_, "kept": json.dumps(kept)})


def _list_steps(table: str, key: str) -> list[dict[str, int]]:
    ends = op.get_bind().exec_driver_sql(f"SELECT min({key}), max({key}) FROM {table}")  # noqa: S608
    first, last = ends.one()
    starts = [] if first is None else range(first, last + 1, STEP)
    return [{"first": start, "last": start + STEP - 1} for start in starts]
