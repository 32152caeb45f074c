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
    Row,
    Select,
    Table,
    Text,
    bindparam,
    select,
    text,
    update,
)

from deskwire.events.channels import Workspace
from deskwire.kit.db import BigId, declare, is_shared, metadata
from deskwire.kit.text import words_of
from deskwire.tickets.messages import messages
from deskwire.workspaces.origin import Principal

MAX_TALK = 100_000  # characters of different words of one ticket; a tsvector holds 1 MiB
UNTOLD = "Ticket"  # what screens show of a subject nobody has told yet

ticket_words = Table(
    "ticket_words",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),  # VACUUM renumbers hidden rowids
    Column("ticket", Text, nullable=False, unique=True),
    Column("head", Text, nullable=False),  # words and marks, a space between two
    Column("talk", Text),  # words; None: to be read again
)

# A mark is found whole; no word can look like one.
NUMBER, PRINCIPAL, WORKSPACE = "#", "@", "^"

_FTS5 = (
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

_TSVECTOR = (
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

declare("sqlite", _FTS5)
declare("postgresql", _TSVECTOR)


def record_head(tx: Connection, row: Row[Any]) -> None:
    """What a row of `tickets` says is found from now on, and nothing it said before."""
    marks = [NUMBER + str(row.number), _mark(WORKSPACE, row.workspace)]
    marks += [_mark(PRINCIPAL, each) for each in (row.opener, row.assignee) if each]
    head = " ".join(dict.fromkeys((*marks, *words_of(row.subject or UNTOLD))))
    tx.execute(_HEAD, {"ticket": row.id, "head": head})


_HEAD = text(
    "INSERT INTO ticket_words (ticket, head, talk) VALUES (:ticket, :head, '') "
    "ON CONFLICT (ticket) DO UPDATE SET head = excluded.head "
    "WHERE ticket_words.head <> excluded.head"
)


def record_reply(tx: Connection, row: Row[Any], written: str | None) -> None:
    """A public reply that was just added to the ticket of a row is found, too."""
    kept = tx.execute(_KEPT, {"of": row.id}).one_or_none()
    if kept is None or not kept.head:
        record_head(tx, row)
    if kept is None or kept.talk is None:
        rewrite(tx, row.id)
    elif written and (longer := _joined(kept.talk.split(), words_of(written))) != kept.talk:
        tx.execute(_CHANGE_TALK, {"of": row.id, "now": longer})


def rewrite(tx: Connection, ticket_id: str) -> None:
    """Read a ticket's replies again: for whoever changes or deletes one."""
    replies = tx.execute(_REPLIES, {"of": ticket_id}).scalars()
    found = (word for reply in replies if reply for word in words_of(reply))
    tx.execute(_CHANGE_TALK, {"of": ticket_id, "now": _joined([], found)})


_KEPT = select(ticket_words.c.head, ticket_words.c.talk).where(
    ticket_words.c.ticket == bindparam("of")
)
_CHANGE_TALK = (
    update(ticket_words)
    .where(ticket_words.c.ticket == bindparam("of"))
    .values(talk=bindparam("now"))
)
_REPLIES = (
    select(messages.c.text)
    .where(messages.c.ticket == bindparam("of"), messages.c.kind == "reply")
    .order_by(messages.c.id)
)


def having(
    tx: Connection, workspace: Workspace | None, words: Mapping[str, Collection[Principal]]
) -> Select[Any]:
    """The ids of a workspace's tickets where each of `words` begins a word of the subject or of a
    reply, is the number, or stands for somebody (who is given with it) that opened or has it.
    Without a workspace those of all, of which the caller takes what may be seen."""
    write = _in_tsquery if is_shared(tx) else _in_fts5
    alternatives = [
        [write(word, begins=True), *(write(mark) for mark in _marks_for(word, people))]
        for word, people in words.items()
    ]
    both, either = (" & ", " | ") if is_shared(tx) else (" AND ", " OR ")
    asked = [f"({either.join(each)})" for each in alternatives]
    if workspace is not None:
        asked.append(write(_mark(WORKSPACE, workspace)))
    is_match = (_TOKENS if is_shared(tx) else _INDEX).bindparams(asked=both.join(asked))
    return select(ticket_words.c.ticket).where(is_match)


_INDEX = text(
    "ticket_words.id IN "
    "(SELECT rowid FROM ticket_words_index WHERE ticket_words_index MATCH :asked)"
)
_TOKENS = text("ticket_words.tokens @@ CAST(:asked AS tsquery)")


def _marks_for(word: str, people: Collection[Principal]) -> list[str]:
    number = [NUMBER + str(int(word))] if word.isascii() and word.isdigit() else []
    return [*number, *(_mark(PRINCIPAL, each) for each in sorted(people))]


def _in_fts5(word: str, *, begins: bool = False) -> str:
    return f'"{word}" *' if begins else f'"{word}"'


def _in_tsquery(word: str, *, begins: bool = False) -> str:
    return f"'{word}':*" if begins else f"'{word}'"


def _mark(kind: str, of: str) -> str:
    """One token on both databases, whatever an id may hold."""
    return kind + _UNFIT.sub("-", of.lower())


_UNFIT = re.compile(r"[^0-9a-z:-]")


def _joined(known: Iterable[str], more: Iterable[str]) -> str:
    """Words, each once, as long as there is room for them."""
    return " ".join(dict.fromkeys((*known, *more)))[:MAX_TALK]
