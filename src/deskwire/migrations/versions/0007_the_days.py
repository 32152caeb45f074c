"""Add the daily changes of request counts for the dashboard, and its indexes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ON_SQLITE = (
    "CREATE TRIGGER tickets_dated_new AFTER INSERT ON tickets WHEN NEW.deleted_at IS NULL"
    " AND substr(NEW.workspace, 1, 4) = 'org:' BEGIN INSERT INTO request_days (workspace,"
    " day, status, change) VALUES (NEW.workspace, NEW.opened_at / 86400000, NEW.status, "
    "1) ON CONFLICT (workspace, day, status) DO UPDATE SET change = request_days.change +"
    " 1; END",
    "CREATE TRIGGER tickets_dated_gone AFTER DELETE ON tickets WHEN OLD.deleted_at IS "
    "NULL AND substr(OLD.workspace, 1, 4) = 'org:' BEGIN INSERT INTO request_days "
    "(workspace, day, status, change) VALUES (OLD.workspace, CAST(strftime('%s', 'now') "
    "AS INTEGER) / 86400, OLD.status, -1) ON CONFLICT (workspace, day, status) DO UPDATE "
    "SET change = request_days.change - 1; END",
    "CREATE TRIGGER tickets_dated_out AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets WHEN OLD.deleted_at IS NULL AND substr(OLD.workspace, 1, 4) = 'org:' AND "
    "(NEW.status <> OLD.status OR NEW.workspace <> OLD.workspace OR (NEW.deleted_at IS "
    "NULL) <> (OLD.deleted_at IS NULL)) BEGIN INSERT INTO request_days (workspace, day, "
    "status, change) VALUES (OLD.workspace, CASE WHEN NEW.revision = OLD.revision THEN "
    "CAST(strftime('%s', 'now') AS INTEGER) / 86400 ELSE NEW.active_at / 86400000 END, "
    "OLD.status, -1) ON CONFLICT (workspace, day, status) DO UPDATE SET change = "
    "request_days.change - 1; END",
    "CREATE TRIGGER tickets_dated_in AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets WHEN NEW.deleted_at IS NULL AND substr(NEW.workspace, 1, 4) = 'org:' AND "
    "(NEW.status <> OLD.status OR NEW.workspace <> OLD.workspace OR (NEW.deleted_at IS "
    "NULL) <> (OLD.deleted_at IS NULL)) BEGIN INSERT INTO request_days (workspace, day, "
    "status, change) VALUES (NEW.workspace, CASE WHEN NEW.revision = OLD.revision THEN "
    "CAST(strftime('%s', 'now') AS INTEGER) / 86400 ELSE NEW.active_at / 86400000 END, "
    "NEW.status, 1) ON CONFLICT (workspace, day, status) DO UPDATE SET change = "
    "request_days.change + 1; END",
)

ON_POSTGRESQL = (
    "CREATE FUNCTION deskwire_dated_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO request_days (workspace, day, status, change) VALUES (NEW.workspace, "
    "NEW.opened_at / 86400000, NEW.status, 1) ON CONFLICT (workspace, day, status) DO "
    "UPDATE SET change = request_days.change + 1; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_dated_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO request_days (workspace, day, status, change) VALUES (OLD.workspace, "
    "floor(extract(epoch FROM clock_timestamp()) / 86400)::integer, OLD.status, -1) ON "
    "CONFLICT (workspace, day, status) DO UPDATE SET change = request_days.change - 1; "
    "RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_dated_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO request_days (workspace, day, status, change) VALUES (OLD.workspace, "
    "CASE WHEN NEW.revision = OLD.revision THEN floor(extract(epoch FROM "
    "clock_timestamp()) / 86400)::integer ELSE NEW.active_at / 86400000 END, OLD.status, "
    "-1) ON CONFLICT (workspace, day, status) DO UPDATE SET change = request_days.change "
    "- 1; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_dated_in() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO request_days (workspace, day, status, change) VALUES (NEW.workspace, "
    "CASE WHEN NEW.revision = OLD.revision THEN floor(extract(epoch FROM "
    "clock_timestamp()) / 86400)::integer ELSE NEW.active_at / 86400000 END, NEW.status, "
    "1) ON CONFLICT (workspace, day, status) DO UPDATE SET change = request_days.change +"
    " 1; RETURN NULL; END $$",
    "CREATE TRIGGER tickets_dated_new AFTER INSERT ON tickets FOR EACH ROW WHEN "
    "(NEW.deleted_at IS NULL AND substr(NEW.workspace, 1, 4) = 'org:') EXECUTE FUNCTION "
    "deskwire_dated_new()",
    "CREATE TRIGGER tickets_dated_gone AFTER DELETE ON tickets FOR EACH ROW WHEN "
    "(OLD.deleted_at IS NULL AND substr(OLD.workspace, 1, 4) = 'org:') EXECUTE FUNCTION "
    "deskwire_dated_gone()",
    "CREATE TRIGGER tickets_dated_out AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND substr(OLD.workspace, 1, 4) = "
    "'org:' AND (NEW.status <> OLD.status OR NEW.workspace <> OLD.workspace OR "
    "(NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL))) EXECUTE FUNCTION "
    "deskwire_dated_out()",
    "CREATE TRIGGER tickets_dated_in AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets FOR EACH ROW WHEN (NEW.deleted_at IS NULL AND substr(NEW.workspace, 1, 4) = "
    "'org:' AND (NEW.status <> OLD.status OR NEW.workspace <> OLD.workspace OR "
    "(NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL))) EXECUTE FUNCTION "
    "deskwire_dated_in()",
)

# Every status set by a fact, from an action or a direct edit, is a change of its day.
FILL = """
WITH told AS (
    SELECT tickets.workspace, tickets.id AS ticket, messages.at, messages.id AS message,
        COALESCE({set}, {edit}) AS status
    FROM tickets JOIN messages ON messages.ticket = tickets.id
    WHERE tickets.workspace LIKE 'org:%' AND tickets.deleted_at IS NULL
        AND messages.kind = 'system'
), moved AS (
    SELECT workspace, at / 86400000 AS day, status,
        lag(status) OVER (PARTITION BY ticket ORDER BY at, message) AS before
    FROM told WHERE status IS NOT NULL
), changed AS (
    SELECT workspace, day, status, 1 AS change FROM moved
    WHERE before IS NULL OR before <> status
    UNION ALL
    SELECT workspace, day, before, -1 FROM moved WHERE before <> status
)
INSERT INTO request_days (workspace, day, status, change)
SELECT workspace, day, status, sum(change) FROM changed
GROUP BY workspace, day, status HAVING sum(change) <> 0
"""
SQLITE_WORDS = {
    "set": "json_extract(messages.data, '$.set.status')",
    "edit": "json_extract(messages.data, '$.edit.status')",
}
POSTGRESQL_WORDS = {
    "set": "messages.data::json #>> '{set,status}'",
    "edit": "messages.data::json #>> '{edit,status}'",
}


def upgrade() -> None:
    tx = op.get_bind()
    is_sqlite = tx.dialect.name == "sqlite"
    op.create_table(
        "request_days",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "day", "status", name=op.f("pk_request_days")),
    )
    op.execute(FILL.format(**(SQLITE_WORDS if is_sqlite else POSTGRESQL_WORDS)))
    op.create_index("ix_request_days_day", "request_days", ["day", "status", "change"])
    for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:
        tx.exec_driver_sql(statement)
    op.execute(
        "CREATE INDEX ix_tickets_open ON tickets (assignee, workspace, status, deleted_at) "
        "WHERE deleted_at IS NULL AND workspace LIKE 'org:%' AND status NOT IN ('canceled', 'done')"
    )
    op.execute(
        "CREATE INDEX ix_log_requests_position ON log (position) WHERE workspace LIKE 'org:%'"
    )
