"""Add the full-text index on both databases, and stored counts of tickets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from deskwire.kit.text import split_words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

AT_ONCE = 200  # tickets whose words are in memory at a time

ON_SQLITE = (
    "CREATE VIRTUAL TABLE ticket_words_index USING fts5 (head, talk, content = "
    "'ticket_words', content_rowid = 'id', tokenize = \"ascii tokenchars '#@^:-'\", prefix "
    "= '1 2', detail = none, columnsize = 0)",
    "CREATE TRIGGER ticket_words_added AFTER INSERT ON ticket_words BEGIN INSERT INTO "
    "ticket_words_index (rowid, head, talk) VALUES (NEW.id, NEW.head, NEW.talk); END",
    "CREATE TRIGGER ticket_words_gone AFTER DELETE ON ticket_words BEGIN INSERT INTO "
    "ticket_words_index (ticket_words_index, rowid, head, talk) VALUES ('delete', "
    "OLD.id, OLD.head, OLD.talk); END",
    "CREATE TRIGGER ticket_words_changed AFTER UPDATE ON ticket_words BEGIN INSERT INTO "
    "ticket_words_index (ticket_words_index, rowid, head, talk) VALUES ('delete', "
    "OLD.id, OLD.head, OLD.talk); INSERT INTO ticket_words_index (rowid, head, talk) "
    "VALUES (NEW.id, NEW.head, NEW.talk); END",
    "CREATE TRIGGER tickets_words_gone AFTER DELETE ON tickets BEGIN DELETE FROM "
    "ticket_words WHERE ticket = OLD.id; END",
    "CREATE TRIGGER tickets_words_stale AFTER UPDATE OF subject ON tickets WHEN "
    "NEW.revision = OLD.revision AND NEW.subject IS NOT OLD.subject BEGIN UPDATE "
    "ticket_words SET head = '' WHERE ticket = OLD.id; END",
    "CREATE TRIGGER messages_words_gone AFTER DELETE ON messages WHEN OLD.kind = 'reply' "
    "BEGIN UPDATE ticket_words SET talk = NULL WHERE ticket = OLD.ticket; END",
    "CREATE TRIGGER messages_words_stale AFTER UPDATE OF text, kind ON messages WHEN "
    "OLD.kind = 'reply' AND (NEW.text IS NOT OLD.text OR NEW.kind <> OLD.kind) BEGIN "
    "UPDATE ticket_words SET talk = NULL WHERE ticket = OLD.ticket; END",
    "CREATE TRIGGER tickets_counted_new AFTER INSERT ON tickets WHEN NEW.deleted_at IS "
    "NULL BEGIN INSERT INTO ticket_counts (workspace, status, tickets) VALUES "
    "(NEW.workspace, NEW.status, 1) ON CONFLICT (workspace, status) DO UPDATE SET "
    "tickets = ticket_counts.tickets + 1; END",
    "CREATE TRIGGER tickets_counted_gone AFTER DELETE ON tickets WHEN OLD.deleted_at IS "
    "NULL BEGIN UPDATE ticket_counts SET tickets = tickets - 1 WHERE workspace = "
    "OLD.workspace AND status = OLD.status; END",
    "CREATE TRIGGER tickets_counted_out AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets WHEN OLD.deleted_at IS NULL AND (NEW.status <> OLD.status OR NEW.workspace "
    "<> OLD.workspace OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)) BEGIN "
    "UPDATE ticket_counts SET tickets = tickets - 1 WHERE workspace = OLD.workspace AND "
    "status = OLD.status; END",
    "CREATE TRIGGER tickets_counted_in AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets WHEN NEW.deleted_at IS NULL AND (NEW.status <> OLD.status OR NEW.workspace "
    "<> OLD.workspace OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)) BEGIN "
    "INSERT INTO ticket_counts (workspace, status, tickets) VALUES (NEW.workspace, "
    "NEW.status, 1) ON CONFLICT (workspace, status) DO UPDATE SET tickets = "
    "ticket_counts.tickets + 1; END",
)

ON_POSTGRESQL = (
    "ALTER TABLE ticket_words ADD COLUMN tokens tsvector NOT NULL GENERATED ALWAYS AS "
    "(array_to_tsvector(array_remove(string_to_array(head, ' '), '')) || "
    "array_to_tsvector(array_remove(string_to_array(coalesce(talk, ''), ' '), ''))) "
    "STORED",
    "CREATE INDEX ix_ticket_words_tokens ON ticket_words USING gin (tokens) WITH "
    "(gin_pending_list_limit = 256)",
    "CREATE FUNCTION deskwire_words_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "DELETE FROM ticket_words WHERE ticket = OLD.id; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_head_stale() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE ticket_words SET head = '' WHERE ticket = OLD.id; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_talk_stale() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE ticket_words SET talk = NULL WHERE ticket = OLD.ticket; RETURN NULL; END $$",
    "CREATE TRIGGER tickets_words_gone AFTER DELETE ON tickets FOR EACH ROW EXECUTE "
    "FUNCTION deskwire_words_gone()",
    "CREATE TRIGGER tickets_words_stale AFTER UPDATE OF subject ON tickets FOR EACH ROW "
    "WHEN (NEW.revision = OLD.revision AND NEW.subject IS DISTINCT FROM OLD.subject) "
    "EXECUTE FUNCTION deskwire_head_stale()",
    "CREATE TRIGGER messages_words_gone AFTER DELETE ON messages FOR EACH ROW WHEN "
    "(OLD.kind = 'reply') EXECUTE FUNCTION deskwire_talk_stale()",
    "CREATE TRIGGER messages_words_stale AFTER UPDATE OF text, kind ON messages FOR EACH "
    "ROW WHEN (OLD.kind = 'reply' AND (NEW.text IS DISTINCT FROM OLD.text OR NEW.kind <> "
    "OLD.kind)) EXECUTE FUNCTION deskwire_talk_stale()",
    "CREATE FUNCTION deskwire_count_in() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO ticket_counts (workspace, status, tickets) VALUES (NEW.workspace, "
    "NEW.status, 1) ON CONFLICT (workspace, status) DO UPDATE SET tickets = "
    "ticket_counts.tickets + 1; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_count_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE ticket_counts SET tickets = tickets - 1 WHERE workspace = OLD.workspace AND "
    "status = OLD.status; RETURN NULL; END $$",
    "CREATE TRIGGER tickets_counted_new AFTER INSERT ON tickets FOR EACH ROW WHEN "
    "(NEW.deleted_at IS NULL) EXECUTE FUNCTION deskwire_count_in()",
    "CREATE TRIGGER tickets_counted_gone AFTER DELETE ON tickets FOR EACH ROW WHEN "
    "(OLD.deleted_at IS NULL) EXECUTE FUNCTION deskwire_count_out()",
    "CREATE TRIGGER tickets_counted_out AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND (NEW.status <> OLD.status OR "
    "NEW.workspace <> OLD.workspace OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS "
    "NULL))) EXECUTE FUNCTION deskwire_count_out()",
    "CREATE TRIGGER tickets_counted_in AFTER UPDATE OF status, deleted_at, workspace ON "
    "tickets FOR EACH ROW WHEN (NEW.deleted_at IS NULL AND (NEW.status <> OLD.status OR "
    "NEW.workspace <> OLD.workspace OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS "
    "NULL))) EXECUTE FUNCTION deskwire_count_in()",
)

INDEXES = (
    ("workspace", "active_at", "id"),
    ("workspace", "opened_at", "id"),
    ("workspace", "status", "active_at", "id"),
    ("workspace", "status", "opened_at", "id"),
    ("workspace", "status", "number", "id"),
)


def upgrade() -> None:
    tx = op.get_bind()
    _make_tables()
    # Not as a batch, which would copy the table and lose its triggers.
    op.drop_index("ix_tickets_workspace_active", "tickets")
    noting = _take_off_triggers(tx)
    op.execute("ALTER TABLE tickets DROP COLUMN subject_folded")
    for trigger in noting:
        tx.exec_driver_sql(re.sub(r"'subject_folded', (OLD|was)\.subject_folded, ", "", trigger))
    op.execute("ALTER TABLE discord_users DROP COLUMN name_folded")
    for columns in INDEXES:
        op.execute(
            f"CREATE INDEX {'_'.join(('ix_tickets', *columns))} ON tickets "
            f"({', '.join(columns)}) WHERE deleted_at IS NULL"
        )
    tx.exec_driver_sql(
        "INSERT INTO ticket_counts (workspace, status, tickets) SELECT workspace, status, count(*) "
        "FROM tickets WHERE deleted_at IS NULL GROUP BY workspace, status"
    )
    last = ""
    while rows := tx.execute(TICKETS, {"last": last, "most": AT_ONCE}).all():
        _fill(tx, rows)
        last = rows[-1].id
    is_sqlite = tx.dialect.name == "sqlite"
    for statement in ON_SQLITE if is_sqlite else ON_POSTGRESQL:  # last: one index at once is quick
        tx.exec_driver_sql(statement)
    if is_sqlite:
        op.execute("INSERT INTO ticket_words_index (ticket_words_index) VALUES ('rebuild')")


def _take_off_triggers(tx: sa.Connection) -> list[str]:
    """Drop and return the triggers of `tickets`: SQLite cannot drop a column that they name."""
    if tx.dialect.name != "sqlite":
        return []
    rows = tx.exec_driver_sql(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'tickets'"
    ).all()
    for name, _ in rows:
        tx.exec_driver_sql(f"DROP TRIGGER {name}")
    return [sql for _, sql in rows]


def _make_tables() -> None:
    op.create_table(
        "ticket_words",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("head", sa.Text(), nullable=False),
        sa.Column("talk", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_words")),
        sa.UniqueConstraint("ticket", name=op.f("uq_ticket_words_ticket")),
    )
    op.create_table(
        "ticket_counts",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tickets", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "status", name=op.f("pk_ticket_counts")),
    )
    op.create_table(
        "name_words",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column(
            "word",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "word", "principal", name=op.f("pk_name_words")),
    )
    op.create_index("ix_name_words_principal", "name_words", ["principal"], unique=False)


TICKETS = sa.text(
    "SELECT id, workspace, number, subject, opener, assignee FROM tickets "
    "WHERE id > :last ORDER BY id LIMIT :most"
)
REPLIES = sa.text(
    "SELECT ticket, text FROM messages WHERE ticket >= :first AND ticket <= :last "
    "AND kind = 'reply' AND text IS NOT NULL ORDER BY ticket, id"
)
NAMES = sa.text(
    "SELECT principal, name FROM discord_users WHERE principal IN :wanted "
    "UNION ALL SELECT id, name FROM people WHERE id IN :wanted"
).bindparams(sa.bindparam("wanted", expanding=True))
ADD = sa.text("INSERT INTO ticket_words (ticket, head, talk) VALUES (:ticket, :head, :talk)")
ADD_NAME = sa.text(
    "INSERT INTO name_words (workspace, word, principal) VALUES (:workspace, :word, :principal) "
    "ON CONFLICT DO NOTHING"
)


def _fill(tx: sa.Connection, tickets: Sequence[sa.Row[Any]]) -> None:
    talks: dict[str, dict[str, None]] = defaultdict(dict)
    between = {"first": tickets[0].id, "last": tickets[-1].id}
    for ticket, text in tx.execute(REPLIES, between):
        talks[ticket].update(dict.fromkeys(split_words(text)))
    tx.execute(
        ADD,
        [
            {"ticket": row.id, "head": _head(row), "talk": " ".join(talks[row.id])[:100_000]}
            for row in tickets
        ],
    )
    named = {(row.workspace, who) for row in tickets for who in (row.opener, row.assignee) if who}
    if named:
        wanted = sorted({who for _, who in named})
        names = dict(map(tuple, tx.execute(NAMES, {"wanted": wanted})))
        tx.execute(ADD_NAME, [*_name_words(sorted(named), names)])


def _head(row: sa.Row[Any]) -> str:
    marks = [f"#{row.number}", _mark("^", row.workspace)]
    marks += [_mark("@", who) for who in (row.opener, row.assignee) if who]
    return " ".join(dict.fromkeys((*marks, *split_words(row.subject or "Ticket"))))


def _mark(kind: str, of: str) -> str:
    return kind + re.sub(r"[^0-9a-z:-]", "-", of.lower())


def _name_words(
    named: Iterable[tuple[str, str]], names: dict[str, str]
) -> Iterable[dict[str, str]]:
    for workspace, who in named:
        source, _, id_ = who.partition(":")
        stand_in = f"Discord user {id_[-4:]}" if source == "discord" else who
        for word in split_words(names.get(who) or stand_in) or [""]:
            yield {"workspace": workspace, "word": word, "principal": who}
