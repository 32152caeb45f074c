"""The words a ticket is found by, kept beside it, and what the two databases make of a question.

    head   its number, its subject, who opened it and has it, where it belongs: `record_head`
    talk   the words of its public replies, which everybody reads who sees it: `record_reply`

Python alone says what a word is (`kit/text.py`). The databases store words and are asked for them:
SQLite in an FTS5 index that triggers keep true, PostgreSQL in a generated `tsvector`. What is
changed past the actions takes its words with it: the triggers leave `head` empty or `talk` NULL,
until `record_head` and `rewrite` read the rows again (decision 0027).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Select,
    Table,
    Text,
    bindparam,
    select,
    text,
    update,
)

from deskwire.events.channels import Workspace
from deskwire.kit.db import BigId, is_postgresql, metadata, register_ddl
from deskwire.kit.text import split_words
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import TicketRow
from deskwire.workspaces.origin import Principal

MAX_TALK_LENGTH = 100_000  # characters of different words of one ticket; a tsvector holds 1 MiB
DEFAULT_SUBJECT = "Ticket"  # what screens show of a subject nobody has told yet

ticket_words = Table(
    "ticket_words",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),  # VACUUM renumbers hidden rowids
    Column("ticket", Text, nullable=False, unique=True),
    Column("head", Text, nullable=False),  # words and marks, a space between two
    Column("talk", Text),  # words; None: to be read again
)

# A mark is found whole; no word can look like one.
NUMBER_PREFIX, PRINCIPAL_PREFIX, WORKSPACE_PREFIX = "#", "@", "^"

_SQLITE_DDL = (
    "CREATE VIRTUAL TABLE ticket_words_index USING fts5 (head, talk, content = 'ticket_words', "
    "content_rowid = 'id', tokenize = \"ascii tokenchars '#@^:-'\", prefix = '1 2', "
    "detail = none, columnsize = 0)",
    "CREATE TRIGGER ticket_words_added AFTER INSERT ON ticket_words BEGIN "
    "INSERT INTO ticket_words_index (rowid, head, talk) VALUES (NEW.id, NEW.head, NEW.talk); END",
    "CREATE TRIGGER ticket_words_gone AFTER DELETE ON ticket_words BEGIN "
    "INSERT INTO ticket_words_index (ticket_words_index, rowid, head, talk) "
    "VALUES ('delete', OLD.id, OLD.head, OLD.talk); END",
    "CREATE TRIGGER ticket_words_changed AFTER UPDATE ON ticket_words BEGIN "
    "INSERT INTO ticket_words_index (ticket_words_index, rowid, head, talk) "
    "VALUES ('delete', OLD.id, OLD.head, OLD.talk); "
    "INSERT INTO ticket_words_index (rowid, head, talk) VALUES (NEW.id, NEW.head, NEW.talk); END",
    # By hand (the revision stays) or by an action: words of what is gone must not be found.
    "CREATE TRIGGER tickets_words_gone AFTER DELETE ON tickets BEGIN "
    "DELETE FROM ticket_words WHERE ticket = OLD.id; END",
    "CREATE TRIGGER tickets_words_stale AFTER UPDATE OF subject ON tickets "
    "WHEN NEW.revision = OLD.revision AND NEW.subject IS NOT OLD.subject BEGIN "
    "UPDATE ticket_words SET head = '' WHERE ticket = OLD.id; END",
    "CREATE TRIGGER messages_words_gone AFTER DELETE ON messages WHEN OLD.kind = 'reply' BEGIN "
    "UPDATE ticket_words SET talk = NULL WHERE ticket = OLD.ticket; END",
    "CREATE TRIGGER messages_words_stale AFTER UPDATE OF text, kind ON messages "
    "WHEN OLD.kind = 'reply' AND (NEW.text IS NOT OLD.text OR NEW.kind <> OLD.kind) BEGIN "
    "UPDATE ticket_words SET talk = NULL WHERE ticket = OLD.ticket; END",
)

_POSTGRESQL_DDL = (
    "ALTER TABLE ticket_words ADD COLUMN tokens tsvector NOT NULL GENERATED ALWAYS AS "
    "(array_to_tsvector(array_remove(string_to_array(head, ' '), '')) || "
    "array_to_tsvector(array_remove(string_to_array(coalesce(talk, ''), ' '), ''))) STORED",
    "CREATE INDEX ix_ticket_words_tokens ON ticket_words USING gin (tokens) "
    "WITH (gin_pending_list_limit = 256)",  # kB; every search reads what is pending
    "CREATE FUNCTION deskwire_words_gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "DELETE FROM ticket_words WHERE ticket = OLD.id; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_head_stale() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE ticket_words SET head = '' WHERE ticket = OLD.id; RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_talk_stale() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "UPDATE ticket_words SET talk = NULL WHERE ticket = OLD.ticket; RETURN NULL; END $$",
    "CREATE TRIGGER tickets_words_gone AFTER DELETE ON tickets "
    "FOR EACH ROW EXECUTE FUNCTION deskwire_words_gone()",
    "CREATE TRIGGER tickets_words_stale AFTER UPDATE OF subject ON tickets FOR EACH ROW "
    "WHEN (NEW.revision = OLD.revision AND NEW.subject IS DISTINCT FROM OLD.subject) "
    "EXECUTE FUNCTION deskwire_head_stale()",
    "CREATE TRIGGER messages_words_gone AFTER DELETE ON messages FOR EACH ROW "
    "WHEN (OLD.kind = 'reply') EXECUTE FUNCTION deskwire_talk_stale()",
    "CREATE TRIGGER messages_words_stale AFTER UPDATE OF text, kind ON messages FOR EACH ROW "
    "WHEN (OLD.kind = 'reply' AND (NEW.text IS DISTINCT FROM OLD.text OR NEW.kind <> OLD.kind)) "
    "EXECUTE FUNCTION deskwire_talk_stale()",
)

register_ddl("sqlite", _SQLITE_DDL)
register_ddl("postgresql", _POSTGRESQL_DDL)


def index_ticket(tx: Connection, row: TicketRow) -> None:
    """What a row of `tickets` says is found from now on, and nothing it said before."""
    marks = [NUMBER_PREFIX + str(row.number), _encode_token(WORKSPACE_PREFIX, row.workspace)]
    marks += [_encode_token(PRINCIPAL_PREFIX, each) for each in (row.opener, row.assignee) if each]
    head = " ".join(dict.fromkeys((*marks, *split_words(row.subject or DEFAULT_SUBJECT))))
    tx.execute(_UPSERT_HEAD, {"ticket": row.id, "head": head})


_UPSERT_HEAD = text(
    "INSERT INTO ticket_words (ticket, head, talk) VALUES (:ticket, :head, '') "
    "ON CONFLICT (ticket) DO UPDATE SET head = excluded.head "
    "WHERE ticket_words.head <> excluded.head"
)


def index_reply(tx: Connection, row: TicketRow, reply_text: str | None) -> None:
    """A public reply that was just added to the ticket of a row is found, too."""
    kept = tx.execute(_SELECT_ENTRY, {"of": row.id}).one_or_none()
    if kept is None or not kept.head:
        index_ticket(tx, row)
    if kept is None or kept.talk is None:
        reindex_replies(tx, row.id)
    elif (
        reply_text
        and (longer := _merge_words(kept.talk.split(), split_words(reply_text))) != kept.talk
    ):
        tx.execute(_UPDATE_TALK, {"of": row.id, "now": longer})


def reindex_replies(tx: Connection, ticket_id: str) -> None:
    """Read a ticket's replies again: for whoever changes or deletes one."""
    replies = tx.execute(_SELECT_REPLIES, {"of": ticket_id}).scalars()
    found = (word for reply in replies if reply for word in split_words(reply))
    tx.execute(_UPDATE_TALK, {"of": ticket_id, "now": _merge_words([], found)})


_SELECT_ENTRY = select(ticket_words.c.head, ticket_words.c.talk).where(
    ticket_words.c.ticket == bindparam("of")
)
_UPDATE_TALK = (
    update(ticket_words)
    .where(ticket_words.c.ticket == bindparam("of"))
    .values(talk=bindparam("now"))
)
_SELECT_REPLIES = (
    select(messages.c.text)
    .where(messages.c.ticket == bindparam("of"), messages.c.kind == "reply")
    .order_by(messages.c.id)
)


def select_matching_ticket_ids(
    tx: Connection, workspace: Workspace | None, words: Mapping[str, Collection[Principal]]
) -> Select[Any]:
    """The ids of a workspace's tickets where each of `words` begins a word of the subject or of a
    reply, is the number, or stands for somebody (who is given with it) that opened or has it.
    Without a workspace those of all, of which the caller takes what may be seen."""
    write = _quote_tsquery_term if is_postgresql(tx) else _quote_fts5_term
    alternatives = [
        [write(word, is_prefix=True), *(write(mark) for mark in _list_exact_tokens(word, people))]
        for word, people in words.items()
    ]
    both, either = (" & ", " | ") if is_postgresql(tx) else (" AND ", " OR ")
    asked = [f"({either.join(each)})" for each in alternatives]
    if workspace is not None:
        asked.append(write(_encode_token(WORKSPACE_PREFIX, workspace)))
    is_match = (_TSVECTOR_MATCH if is_postgresql(tx) else _FTS5_MATCH).bindparams(
        asked=both.join(asked)
    )
    return select(ticket_words.c.ticket).where(is_match)


_FTS5_MATCH = text(
    "ticket_words.id IN "
    "(SELECT rowid FROM ticket_words_index WHERE ticket_words_index MATCH :asked)"
)
_TSVECTOR_MATCH = text("ticket_words.tokens @@ CAST(:asked AS tsquery)")


def _list_exact_tokens(word: str, principals: Collection[Principal]) -> list[str]:
    number = [NUMBER_PREFIX + str(int(word))] if word.isascii() and word.isdigit() else []
    return [*number, *(_encode_token(PRINCIPAL_PREFIX, each) for each in sorted(principals))]


def _quote_fts5_term(word: str, *, is_prefix: bool = False) -> str:
    return f'"{word}" *' if is_prefix else f'"{word}"'


def _quote_tsquery_term(word: str, *, is_prefix: bool = False) -> str:
    return f"'{word}':*" if is_prefix else f"'{word}'"


def _encode_token(prefix: str, value: str) -> str:
    """One token on both databases, whatever an id may hold."""
    return prefix + _UNSAFE_CHARACTERS.sub("-", value.lower())


_UNSAFE_CHARACTERS = re.compile(r"[^0-9a-z:-]")


def _merge_words(known: Iterable[str], new_words: Iterable[str]) -> str:
    """Words, each once, as long as there is room for them."""
    return " ".join(dict.fromkeys((*known, *new_words)))[:MAX_TALK_LENGTH]
