"""Keep the full-text index of tickets, and select tickets by words on either database.

    head   number, subject, opener, assignee and workspace of the ticket: `index_ticket`
    talk   the words of its public replies, which every viewer of it may read: `index_reply`

Only Python splits text into words (`kit/text.py`). The databases store and match them: SQLite in
an FTS5 index that triggers keep up to date, PostgreSQL in a generated `tsvector`. On a direct edit
of a subject or a reply, triggers empty `head` or set `talk` to NULL until `index_ticket` and
`reindex_replies` read the rows again (decision 0027).

Where a ticket has many replies, reading them again takes longer than a transaction may. Then `talk`
begins with a token that marks it as incomplete, until `SearchReindexer` has read them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Select,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    update,
)

from deskwire.events.channels import Workspace
from deskwire.kit.db import BigId, is_postgresql, metadata, register_ddl, wake
from deskwire.kit.ids import new_id
from deskwire.kit.text import split_words
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import TicketRow
from deskwire.workspaces.origin import Principal

MAX_TALK_LENGTH = 50_000  # characters of distinct words; each reply indexes all again, in 6 ms
MAX_REPLIES_READ = 50  # replies that are read again within a transaction, if they are short
MAX_LENGTH_READ = 5_000  # characters of all of them; splitting them into words takes up to 4 ms
SEARCH_TOPIC = "deskwire_search"  # woken when an entry is marked as incomplete
MERGE_PAGES = 16  # pages of 4 KB written per transaction: 2 to 4 ms
DEFAULT_SUBJECT = "Ticket"  # what pages show where the subject is unknown

ticket_words = Table(
    "ticket_words",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),  # VACUUM renumbers hidden rowids
    Column("ticket", Text, nullable=False, unique=True),
    Column("head", Text, nullable=False),  # words and exact tokens, separated by spaces
    Column("talk", Text),  # words; None: to be read from the messages again
)

# Prefixes of exact tokens, which match only as a whole. No word contains these characters.
NUMBER_PREFIX, PRINCIPAL_PREFIX, WORKSPACE_PREFIX = "#", "@", "^"
INCOMPLETE_PREFIX = "#incomplete-"  # of the first token of an incomplete `talk`; no number is one

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
    # After a direct edit (the revision stays) or an action, removed words must not match.
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


@dataclass(frozen=True, slots=True)
class IncompleteEntry:
    """A ticket whose replies are to be read again; the mark changes with every change of them."""

    ticket_id: str
    mark: str


register_ddl("sqlite", _SQLITE_DDL)
register_ddl("postgresql", _POSTGRESQL_DDL)


def index_ticket(tx: Connection, row: TicketRow) -> None:
    """Write the index entry (`head`) of a ticket from its row, replacing the previous one."""
    tokens = [NUMBER_PREFIX + str(row.number), _encode_token(WORKSPACE_PREFIX, row.workspace)]
    tokens += [_encode_token(PRINCIPAL_PREFIX, each) for each in (row.opener, row.assignee) if each]
    head = " ".join(dict.fromkeys((*tokens, *split_words(row.subject or DEFAULT_SUBJECT))))
    tx.execute(_UPSERT_HEAD, {"ticket": row.id, "head": head})


_UPSERT_HEAD = text(
    "INSERT INTO ticket_words (ticket, head, talk) VALUES (:ticket, :head, '') "
    "ON CONFLICT (ticket) DO UPDATE SET head = excluded.head "
    "WHERE ticket_words.head <> excluded.head"
)


def index_reply(tx: Connection, row: TicketRow, words: Sequence[str]) -> None:
    """Add the words of a public reply that was just posted on the ticket of `row`."""
    entry = tx.execute(_SELECT_ENTRY, {"of": row.id}).one_or_none()
    if entry is None or not entry.head:
        index_ticket(tx, row)
    if entry is None or entry.talk is None:
        index_changed_replies(tx, row, words)
    elif words:
        merged = merge_words(entry.talk.split(), words)
        if merged != entry.talk:
            _write_talk(tx, row.id, merged)


def index_changed_replies(tx: Connection, row: TicketRow, new_words: Sequence[str]) -> None:
    """Index the replies of a ticket again, after one was edited or deleted.

    `new_words` are found at once. Where there are too many replies to read here, the words of the
    others are found again once `SearchReindexer` has read them.
    """
    if row.messages <= MAX_REPLIES_READ and _measure_replies(tx, row.id) <= MAX_LENGTH_READ:
        reindex_replies(tx, row.id)
        return
    entry = tx.execute(_SELECT_ENTRY, {"of": row.id}).one_or_none()
    known = entry.talk.split() if entry is not None and entry.talk else []
    if known and known[0].startswith(INCOMPLETE_PREFIX):
        del known[0]
    _write_talk(tx, row.id, merge_words([INCOMPLETE_PREFIX + new_id(), *new_words], known))
    wake(tx, SEARCH_TOPIC)


def reindex_replies(tx: Connection, ticket_id: str) -> None:
    """Read all replies of a ticket, and index their words."""
    replies = tx.execute(_SELECT_REPLIES, {"of": ticket_id}).scalars()
    words = (word for reply in replies if reply for word in split_words(reply))
    _write_talk(tx, ticket_id, merge_words([], words))


def _measure_replies(tx: Connection, ticket_id: str) -> int:
    return int(tx.execute(_SELECT_LENGTH, {"of": ticket_id}).scalar_one())


def _write_talk(tx: Connection, ticket_id: str, talk: str) -> None:
    tx.execute(_UPDATE_TALK, {"of": ticket_id, "now": talk})


def find_incomplete_entry(tx: Connection) -> IncompleteEntry | None:
    """Return an entry that is marked as incomplete, if there is one."""
    write = _quote_tsquery_term if is_postgresql(tx) else _quote_fts5_term
    query = _TSVECTOR_MATCH if is_postgresql(tx) else _FTS5_MATCH
    is_incomplete = query.bindparams(query=write(INCOMPLETE_PREFIX, is_prefix=True))
    columns = (ticket_words.c.ticket, ticket_words.c.talk)
    row = tx.execute(select(*columns).where(is_incomplete).limit(1)).first()
    return None if row is None else IncompleteEntry(row.ticket, row.talk.partition(" ")[0])


def complete_entry(tx: Connection, incomplete: IncompleteEntry, words: Iterable[str]) -> None:
    """Write the words of all replies into an entry, unless a reply has changed since.

    Words of replies that were posted since are kept.
    """
    query = _SELECT_ENTRY.with_for_update()
    entry = tx.execute(query, {"of": incomplete.ticket_id}).one_or_none()
    mark, _, newer = (entry.talk or "").partition(" ") if entry is not None else ("", "", "")
    if mark == incomplete.mark:
        _write_talk(tx, incomplete.ticket_id, merge_words(words, newer.split()))


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


def purge_removed_words(tx: Connection, *, is_first: bool) -> bool:
    """Remove deleted words from the index itself, a few pages at a time.

    Returns whether any may be left. FTS5 only marks an entry as deleted, and keeps its words until
    the pages that hold them are merged. `is_first` begins a merge of all pages. PostgreSQL keeps no
    words of dead rows.
    """
    if is_postgresql(tx):
        return False
    before = _count_changes(tx)
    tx.execute(_MERGE_WORDS, {"pages": -MERGE_PAGES if is_first else MERGE_PAGES})
    return _count_changes(tx) - before >= 2  # below: nothing was left to merge (sqlite.org/fts5)


def _count_changes(tx: Connection) -> int:
    return int(tx.execute(_TOTAL_CHANGES).scalar_one())


_TOTAL_CHANGES = text("SELECT total_changes()")
_MERGE_WORDS = text(
    "INSERT INTO ticket_words_index (ticket_words_index, rank) VALUES ('merge', :pages)"
)

_SELECT_LENGTH = select(func.coalesce(func.sum(func.length(messages.c.text)), 0)).where(
    messages.c.ticket == bindparam("of"), messages.c.kind == "reply"
)


def select_matching_ticket_ids(
    tx: Connection, workspace: Workspace | None, words: Mapping[str, Collection[Principal]]
) -> Select[Any]:
    """Select the ids of a workspace's tickets that match every one of `words`.

    A word matches if a word of the subject or of a reply begins with it, if it is the number, or if
    one of the principals given with it is the opener or the assignee. `workspace` None: tickets of
    all workspaces, which the caller must restrict to what the viewer may see.
    """
    write = _quote_tsquery_term if is_postgresql(tx) else _quote_fts5_term
    alternatives = [
        [
            write(word, is_prefix=True),
            *(write(token) for token in _list_exact_tokens(word, principals)),
        ]
        for word, principals in words.items()
    ]
    both, either = (" & ", " | ") if is_postgresql(tx) else (" AND ", " OR ")
    terms = [f"({either.join(each)})" for each in alternatives]
    if workspace is not None:
        terms.append(write(_encode_token(WORKSPACE_PREFIX, workspace)))
    is_match = (_TSVECTOR_MATCH if is_postgresql(tx) else _FTS5_MATCH).bindparams(
        query=both.join(terms)
    )
    return select(ticket_words.c.ticket).where(is_match)


_FTS5_MATCH = text(
    "ticket_words.id IN "
    "(SELECT rowid FROM ticket_words_index WHERE ticket_words_index MATCH :query)"
)
_TSVECTOR_MATCH = text("ticket_words.tokens @@ CAST(:query AS tsquery)")


def _list_exact_tokens(word: str, principals: Collection[Principal]) -> list[str]:
    number = [NUMBER_PREFIX + str(int(word))] if word.isascii() and word.isdigit() else []
    return [*number, *(_encode_token(PRINCIPAL_PREFIX, each) for each in sorted(principals))]


def _quote_fts5_term(word: str, *, is_prefix: bool = False) -> str:
    return f'"{word}" *' if is_prefix else f'"{word}"'


def _quote_tsquery_term(word: str, *, is_prefix: bool = False) -> str:
    return f"'{word}':*" if is_prefix else f"'{word}'"


def _encode_token(prefix: str, value: str) -> str:
    """Encode `value` so that it is a single token on both databases."""
    return prefix + _UNSAFE_CHARACTERS.sub("-", value.lower())


_UNSAFE_CHARACTERS = re.compile(r"[^0-9a-z:-]")


def merge_words(known: Iterable[str], new_words: Iterable[str]) -> str:
    """Join the words, each once, cut to MAX_TALK_LENGTH."""
    return " ".join(dict.fromkeys((*known, *new_words)))[:MAX_TALK_LENGTH]
