"""One statement of SQL from the shell, over SQLite: what it may read and change, and how much.

It runs in the one process that may write to the file, as every command does. What it changes is
noticed as any edit by hand is, in the same transaction.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection

from deskwire.direct_edits.change_log import WATCHED
from deskwire.direct_edits.processor import work_off
from deskwire.kit.db import is_shared
from deskwire.kit.errors import Invalid

MOST_ROWS = 500  # shown; whoever wants more counts, or adds a condition
MOST_TEXT = 1_000  # characters of a value
READ_WITHIN = 5.0  # s
WRITE_WITHIN = 2.0  # s, for which webhooks wait
STEPS = 10_000  # of SQLite's machine between two looks at the clock: under a millisecond

READS = ("SELECT", "VALUES", "WITH", "EXPLAIN")
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
EDITABLE = frozenset(table.name for table in WATCHED)
NOTES = "outside_changes"  # of which one may be deleted: that lets it be
SECRETS = {
    "passwords": {"hash"},
    "sessions": {"token_hash"},
    "links": {"token_hash"},
    "sign_in_failures": {"email_hash"},
}

ELSEWHERE = (
    "psql, or whatever you like: PostgreSQL takes edits from anywhere, and they show at once"
)


def is_reading(statement: str) -> bool:
    """Whether a statement only reads, by its first word. Invalid if it is none we run."""
    first = _first_word(statement)
    if first not in READS + WRITES:
        raise Invalid(
            f"A statement must begin with one of {', '.join(READS + WRITES)}, "
            f"not with {first or statement[:20]!r}."
        )
    return first in READS


def _first_word(statement: str) -> str:
    """In upper case, past comments; empty where it begins with something else."""
    bare = re.sub(r"\A(\s+|--[^\n]*\n|/\*.*?\*/)*", "", statement, flags=re.DOTALL)
    word = re.match(r"[A-Za-z]*", bare)
    return word[0].upper() if word is not None else ""


def run(tx: Connection, statement: str) -> dict[str, Any]:
    """Run it: {"columns", "rows", "is_whole"} of what it reads, or how many rows are {"changed"}.

    Raises Invalid with a sentence where it cannot be, or must not be.
    """
    if is_shared(tx):
        raise Invalid(f"With PostgreSQL use {ELSEWHERE}.")
    driver = cast(sqlite3.Connection, tx.connection.driver_connection)
    reads = is_reading(statement)
    with _guarding(driver, _Guard(reads), READ_WITHIN if reads else WRITE_WITHIN):
        driver.execute(_explained(statement)).close()  # asks about all of it, triggers included
        driver.set_authorizer(None)  # or what the index of words does by itself were asked about
        cursor = driver.execute(statement)
        found = cursor.fetchmany(MOST_ROWS + 1)
        changed = cursor.rowcount
        columns = [str(each[0]) for each in cursor.description or ()]
        cursor.close()
    if not reads:
        work_off(tx)
    if columns:
        rows = [[_shown(value) for value in row] for row in found[:MOST_ROWS]]
        return {"columns": columns, "rows": rows, "is_whole": len(found) <= MOST_ROWS}
    return {"changed": max(changed, 0)}


def _explained(statement: str) -> str:
    """What prepares the statement and runs nothing of it."""
    return statement if _first_word(statement) == "EXPLAIN" else f"EXPLAIN {statement}"


def lines(answer: dict[str, Any]) -> Iterator[str]:
    """What `run` gave, for people: a table, or how many rows were changed."""
    if "changed" in answer:
        yield f"{answer['changed']} row{'' if answer['changed'] == 1 else 's'} changed"
        return
    table = [answer["columns"], *answer["rows"]]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for number, row in enumerate(table):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)
    if not answer["is_whole"]:
        yield f"… only the first {MOST_ROWS} rows are shown; add a condition, or count them"


@dataclass
class _Guard:
    """Asked by SQLite, while it prepares a statement, whether that may do each thing it does."""

    reads: bool
    refusal: str = field(default="", init=False)

    def __call__(
        self, action: int, first: str | None, second: str | None, _db: str | None, by: str | None
    ) -> int:
        is_ours = by is not None and action in _CHANGES  # a trigger's; others cannot be made here
        refusal = "" if is_ours else self._refuse(action, first or "", second or "")
        self.refusal = self.refusal or refusal
        return sqlite3.SQLITE_DENY if refusal else sqlite3.SQLITE_OK

    def _refuse(self, action: int, table: str, column: str) -> str:
        if action in _HARMLESS:
            return ""
        if action == sqlite3.SQLITE_READ:
            is_secret = column in SECRETS.get(table, ())
            return f"{table}.{column} is a secret; name the other columns." if is_secret else ""
        if action not in _CHANGES:
            return "It may read and change rows, and do nothing else."
        if self.reads:
            return f"It changes {table}: begin it with one of {', '.join(WRITES)}."
        if table in EDITABLE or (table == NOTES and action == sqlite3.SQLITE_DELETE):
            return ""
        known = ", ".join(sorted(EDITABLE))
        return f"{table} is kept by Deskwire alone. What can be changed: {known}."


_HARMLESS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_CHANGES = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}


@contextmanager
def _guarding(driver: sqlite3.Connection, guard: _Guard, seconds: float) -> Iterator[None]:
    """What SQLite is asked to do meanwhile is looked at, and has so many seconds."""
    deadline = time.monotonic() + seconds
    driver.set_authorizer(guard)
    driver.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise Invalid(guard.refusal or f"SQLite refuses it: {error}.") from None
        raise Invalid(
            f"It took longer than {seconds:.0f} s and was stopped; nothing changed."
        ) from None
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise Invalid(guard.refusal or f"SQLite refuses it: {error}") from None
    finally:
        driver.set_progress_handler(None, 0)
        driver.set_authorizer(None)


def _shown(value: object) -> str:
    text = (
        "NULL" if value is None else f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
    )
    return text if len(text) <= MOST_TEXT else text[:MOST_TEXT] + "…"
