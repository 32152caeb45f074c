"""Index the words of people's names, per workspace whose tickets name them, for search."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    CompoundSelect,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    literal,
    select,
    text,
    union_all,
)

from deskwire.events.channels import Workspace
from deskwire.kit.db import metadata
from deskwire.kit.text import split_words
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

MAX_MATCHES = 200  # people per word; a longer prefix matches fewer
MAX_CHARACTER = "\U0010ffff"  # sorts after every character of a word

# The words of the names that screens show, in each workspace whose tickets name the principal.
name_words = Table(
    "name_words",
    metadata,
    Column("workspace", Text, primary_key=True),
    # Sorted by code point, as in SQLite: `find_by_name_prefix` reads a range.
    Column("word", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("principal", Text, primary_key=True),
    Index("ix_name_words_principal", "principal"),
)


def update_name_index(tx: Connection, principal: Principal, name: str) -> None:
    """Replace a principal's words in every workspace that has indexed them."""
    indexed: dict[Workspace, set[str]] = defaultdict(set)
    for workspace, word in tx.execute(_SELECT_WORDS, {"of": principal}):
        indexed[workspace].add(word)
    words = _index_words(name)
    if stale := [workspace for workspace, old in indexed.items() if old != set(words)]:
        where = name_words.c.principal == principal
        tx.execute(delete(name_words).where(where, name_words.c.workspace.in_(stale)))
        for workspace in stale:
            _insert_words(tx, workspace, principal, words)


_SELECT_WORDS = select(name_words.c.workspace, name_words.c.word).where(
    name_words.c.principal == bindparam("of")
)


def index_names(
    tx: Connection, workspace: Workspace, principals: Iterable[Principal | None]
) -> None:
    """Index the current names of `principals` in a workspace; None is skipped."""
    for ref in read_names(tx, principals).values():
        _insert_words(tx, workspace, ref.id, _index_words(ref.name))


def find_by_name_prefix(
    tx: Connection, workspace: Workspace, words: Collection[str]
) -> dict[str, set[Principal]]:
    """Return, for each of `words`, the principals with a name word that begins with it.

    At most `MAX_MATCHES` per word: the first ones in the order of the matched words.
    """
    matches: dict[str, set[Principal]] = {word: set() for word in words}
    if matches:
        prefixes = {f"word{position}": word for position, word in enumerate(matches)}
        ends = {f"end{position}": word + MAX_CHARACTER for position, word in enumerate(matches)}
        query = _prefix_query(len(matches))
        for position, principal in tx.execute(query, {"workspace": workspace, **prefixes, **ends}):
            matches[prefixes[f"word{position}"]].add(principal)
    return matches


@cache
def _prefix_query(count: int) -> CompoundSelect[Any]:
    """Build the query for `count` words. Cached: building it takes longer than running it."""
    return union_all(*map(_prefix_subquery, range(count)))


def _prefix_subquery(position: int) -> Select[Any]:
    columns = name_words.c
    matching = (
        select(columns.principal)
        .where(columns.workspace == bindparam("workspace"))
        .where(columns.word >= bindparam(f"word{position}"))
        .where(columns.word < bindparam(f"end{position}"))
        .order_by(columns.word, columns.principal)
        .limit(MAX_MATCHES)
        .subquery()
    )
    return select(literal(position, Integer), matching.c.principal)


def _index_words(name: str) -> list[str]:
    # A name without a word matches nothing, but needs a row: `update_name_index` reads it.
    return split_words(name) or [""]


def _insert_words(
    tx: Connection, workspace: Workspace, principal: Principal, words: Iterable[str]
) -> None:
    rows = [{"workspace": workspace, "word": word, "principal": principal} for word in words]
    tx.execute(_INSERT_WORD, rows)


_INSERT_WORD = text(
    "INSERT INTO name_words (workspace, word, principal) VALUES (:workspace, :word, :principal) "
    "ON CONFLICT DO NOTHING"
)
