"""Add what reaches beyond the open pages: consumers of the log, an audit of roles, dispatches,
jobs.

Mail that waits becomes dispatches with the numbers it had, so that its Message-IDs stay the same.
Each open invitation gets the timer of its expiry.
"""

from __future__ import annotations

import json
import time

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

PEOPLE = (  # the columns that the triggers record
    "id",
    "name",
    "email",
    "email_verified_at",
    "revision",
    "created_at",
    "time_zone",
    "theme",
    "avatar",
    "deleted_at",
    "seen_at",
    "deactivated_at",
    "undeliverable_since",
)
_NOTE = "INSERT INTO outside_changes (table_name, row_key, kind, before, at)"
_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_TRIGGERS = {
    "replace": """CREATE TRIGGER outside_people_replace BEFORE INSERT ON people WHEN NEW.revision = 0
BEGIN
    {note} SELECT 'people', json_array(NEW.id), 'delete', json_object({was}), {now}
        FROM people AS was WHERE id = NEW.id;
END""",
    "update": """CREATE TRIGGER outside_people_update AFTER UPDATE ON people
WHEN NEW.revision = OLD.revision
BEGIN
    {note} VALUES ('people', json_array(NEW.id), 'update', json_object({old}), {now});
    UPDATE people SET revision = OLD.revision + 1 WHERE id = NEW.id;
END""",
    "delete": """CREATE TRIGGER outside_people_delete AFTER DELETE ON people WHEN OLD.revision >= 0
BEGIN
    {note} VALUES ('people', json_array(OLD.id), 'delete', json_object({old}), {now});
END""",
}
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_consumers()
    _create_dispatches()
    _create_jobs()
    _carry_mails_over()
    _schedule_expiries()
    op.drop_table("mails")
    op.add_column("deliveries", sa.Column("key", sa.Text()))
    op.add_column("invitations", sa.Column("refused_at", sa.BigInteger()))
    op.add_column("people", sa.Column("undeliverable_since", sa.BigInteger()))
    if op.get_bind().dialect.name == "sqlite":  # PostgreSQL's triggers record whole rows
        _record_new_column_of_people()


def _create_consumers() -> None:
    op.create_table(
        "consumers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("lost", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_error_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_consumers")),
    )
    op.create_table(
        "consumer_failures",
        sa.Column("consumer", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("ticket", sa.Text()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("consumer", "position", name=op.f("pk_consumer_failures")),
    )
    op.create_index(
        "ix_consumer_failures_consumer_ticket_position",
        "consumer_failures",
        ["consumer", "ticket", "position"],
    )
    op.create_index(
        "ix_consumer_failures_consumer_due_at", "consumer_failures", ["consumer", "due_at"]
    )
    op.create_table(
        "role_changes",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text()),
        sa.Column("role", sa.Text()),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_role_changes")),
    )
    op.create_index("ix_role_changes_workspace_position", "role_changes", ["workspace", "position"])


def _create_dispatches() -> None:
    op.create_table(
        "dispatches",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("position", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispatches")),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("ix_dispatches_target_state_due_at", ["target", "state", "due_at"]),
        ("ix_dispatches_target_key_state_id", ["target", "key", "state", "id"]),
        ("ix_dispatches_finished_at", ["finished_at"]),
    ):
        op.create_index(name, "dispatches", columns)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])


def _carry_mails_over() -> None:
    tx = op.get_bind()
    waiting = sa.text(
        "SELECT id, recipient, subject, text, html, created_at, due_at FROM mails "
        "WHERE sent_at IS NULL AND failed_at IS NULL ORDER BY id"
    )
    insert = sa.text(
        "INSERT INTO dispatches (target, key, kind, payload, state, attempts, due_at, "
        "claimed_until, created_at) VALUES "
        "('mail', :key, 'link', :payload, 'new', 0, :due_at, 0, :created_at)"
    )
    for row in tx.execute(waiting).all():
        payload = {"number": row.id, "recipient": row.recipient, "subject": row.subject}
        payload |= {"text": row.text, "html": row.html}
        values = {"key": f"mail:{row.id}", "payload": json.dumps(payload, ensure_ascii=False)}
        tx.execute(insert, {**values, "due_at": row.due_at, "created_at": row.created_at})


def _schedule_expiries() -> None:
    schedule = sa.text(
        "INSERT INTO dispatches (target, key, kind, payload, state, attempts, due_at, "
        "claimed_until, created_at) "
        "SELECT 'desk', id, 'invitation.expiry', '{}', 'ready', 0, expires_at, 0, :now "
        "FROM invitations WHERE accepted_at IS NULL AND revoked_at IS NULL AND expires_at > :now "
        "ORDER BY id"
    )
    op.get_bind().execute(schedule, {"now": time.time_ns() // 1_000_000})


def _record_new_column_of_people() -> None:
    words = {
        "note": _NOTE,
        "now": _NOW,
        "old": ", ".join(f"'{name}', OLD.{name}" for name in PEOPLE),
        "was": ", ".join(f"'{name}', was.{name}" for name in PEOPLE),
    }
    for name, statement in _TRIGGERS.items():
        op.execute(f"DROP TRIGGER outside_people_{name}")
        op.get_bind().exec_driver_sql(statement.format(**words))
