"""Add deactivation of accounts, the time people were last seen, and mailed invitations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("seen_at", sa.BigInteger(), nullable=True))
    op.add_column("people", sa.Column("deactivated_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE people SET seen_at = "
        "(SELECT max(sessions.seen_at) FROM sessions WHERE sessions.person = people.id)"
    )
    op.create_index("ix_people_avatar", "people", ["avatar"])
    op.add_column("invitations", sa.Column("mailed_hash", sa.Text(), nullable=True))
    op.create_index("ix_invitations_mailed_hash", "invitations", ["mailed_hash"], unique=True)
