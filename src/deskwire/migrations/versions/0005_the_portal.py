"""Add the portal: organizations and their requests, files, invitations and outgoing mail."""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Columns to add to what the direct-edit triggers record: table → (after which column, columns).
NOTED = {
    "tickets": ("deleted_at", ("category", "spoken_at", "spoken_by")),
    "messages": ("html", ("edited_at",)),
}
OF_REQUESTS = (["active_at"], ["opened_at"], ["status", "active_at"], ["assignee", "active_at"])
OF_ALL = ("assignee", "opener", "category")


def upgrade() -> None:
    noting = _take_off_triggers(op.get_bind())
    _make_tables()
    _add_columns()
    for statement in noting:
        op.get_bind().exec_driver_sql(statement)
    for column in OF_ALL:
        names = ["workspace", column, "active_at", "id"]
        op.execute(
            f"CREATE INDEX {'_'.join(('ix_tickets', *names))} ON tickets ({', '.join(names)}) "
            "WHERE deleted_at IS NULL"
        )
    for columns in OF_REQUESTS:
        names = [*columns, "id"]
        op.execute(
            f"CREATE INDEX {'_'.join(('ix_tickets_requests', *names))} ON tickets "
            f"({', '.join(names)}) WHERE deleted_at IS NULL AND workspace LIKE 'org:%'"
        )


def _take_off_triggers(tx: sa.Connection) -> list[str]:
    """Drop the direct-edit triggers of tables that gain columns; return their new SQL."""
    if tx.dialect.name != "sqlite":
        return []  # on PostgreSQL they record whole rows
    found = []
    for table, (after, new) in NOTED.items():
        rows = tx.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? "
            "AND name LIKE 'outside_%'",
            (table,),
        ).all()
        for name, sql in rows:
            tx.exec_driver_sql(f"DROP TRIGGER {name}")
            more = "".join(rf", '{column}', \1.{column}" for column in new)
            found.append(re.sub(rf"'{after}', (OLD|was)\.{after}", rf"\g<0>{more}", sql))
    return found


def _make_tables() -> None:
    op.create_table(
        "files",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("note", sa.Boolean(), nullable=False),
        sa.Column("uploader", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("thumbnail", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index("ix_files_created_at", "files", ["created_at"], unique=False)
    op.create_index("ix_files_message", "files", ["message"], unique=False)
    op.create_index("ix_files_ticket", "files", ["ticket"], unique=False)
    op.create_table(
        "mails",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mails_due_at", "mails", ["due_at"], unique=False)
    op.create_table(
        "request_numbers",
        sa.Column("organization", sa.Text(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organization", name=op.f("pk_request_numbers")),
    )
    op.create_table(
        "categories",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization"], ["organizations.id"], name=op.f("fk_categories_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
    )
    op.create_index(
        "ix_categories_organization_place", "categories", ["organization", "place"], unique=False
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("organization", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization"], ["organizations.id"], name=op.f("fk_invitations_organization")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index("ix_invitations_email", "invitations", ["email"], unique=False)
    op.create_index("ix_invitations_organization", "invitations", ["organization"], unique=False)
    op.create_table(
        "reads",
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person"], ["people.id"], name=op.f("fk_reads_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket", "person", name=op.f("pk_reads")),
    )
    op.create_index("ix_reads_person", "reads", ["person"], unique=False)


def _add_columns() -> None:
    op.add_column("messages", sa.Column("edited_at", sa.BigInteger(), nullable=True))
    op.add_column(
        "organization_members",
        sa.Column("joined_at", sa.BigInteger(), server_default="0", nullable=False),
    )
    op.add_column("organizations", sa.Column("about", sa.Text(), nullable=True))
    op.add_column(
        "organizations",
        sa.Column("visibility", sa.Text(), server_default="members", nullable=False),
    )
    op.add_column(
        "organizations", sa.Column("generation", sa.Integer(), server_default="1", nullable=False)
    )
    op.add_column("organizations", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.add_column("people", sa.Column("time_zone", sa.Text(), nullable=True))
    op.add_column("people", sa.Column("theme", sa.Text(), nullable=True))
    op.add_column("people", sa.Column("avatar", sa.Text(), nullable=True))
    op.add_column("people", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.add_column("sessions", sa.Column("organization", sa.Text(), nullable=True))
    op.add_column("tickets", sa.Column("category", sa.Text(), nullable=True))
    op.add_column("tickets", sa.Column("spoken_at", sa.BigInteger(), nullable=True))
    op.add_column("tickets", sa.Column("spoken_by", sa.Text(), nullable=True))
