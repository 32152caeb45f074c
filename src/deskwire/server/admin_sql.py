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

from deskwire.direct_edits.change_log import WATCHED_TABLES
from deskwire.direct_edits.processor import record_edits
from deskwire.kit.db import is_postgresql
from deskwire.kit.errors import Invalid

MAX_ROWS = 500  # shown; whoever wants more counts, or adds a condition
MAX_VALUE_LENGTH = 1_000  # characters of a value
READ_TIMEOUT = 5.0  # s
WRITE_TIMEOUT = 2.0  # s, for which webhooks wait
PROGRESS_STEPS = 10_000  # of SQLite's machine between two looks at the clock: under a millisecond

READ_KEYWORDS = ("SELECT", "VALUES", "WITH", "EXPLAIN")
WRITE_KEYWORDS = ("INSERT", "UPDATE", "DELETE", "REPLACE")
EDITABLE_TABLES = frozenset(table.name for table in WATCHED_TABLES)
CHANGE_LOG_TABLE = "outside_changes"  # of which one may be deleted: that lets it be
SECRET_COLUMNS = {
    "passwords": {"hash"},
    "sessions": {"token_hash"},
    "links": {"token_hash"},
    "sign_in_failures": {"email_hash"},
}

POSTGRES_HINT = (
    "psql, or whatever you like: PostgreSQL takes edits from anywhere, and they show at once"
)


def is_read_only(statement: str) -> bool:
    """Whether a statement only reads, by its first word. Invalid if it is none we run."""
    first = _first_keyword(statement)
    if first not in READ_KEYWORDS + WRITE_KEYWORDS:
        raise Invalid(
            f"A statement must begin with one of {', '.join(READ_KEYWORDS + WRITE_KEYWORDS)}, "
            f"not with {first or statement[:20]!r}."
        )
    return first in READ_KEYWORDS


def _first_keyword(statement: str) -> str:
    """In upper case, past comments; empty where it begins with something else."""
    bare = re.sub(r"\A(\s+|--[^\n]*\n|/\*.*?\*/)*", "", statement, flags=re.DOTALL)
    word = re.match(r"[A-Za-z]*", bare)
    return word[0].upper() if word is not None else ""


def run_statement(tx: Connection, statement: str) -> dict[str, Any]:
    """Run it: {"columns", "rows", "is_whole"} of what it reads, or how many rows are {"changed"}.

    Raises Invalid with a sentence where it cannot be, or must not be.
    """
    if is_postgresql(tx):
        raise Invalid(f"With PostgreSQL use {POSTGRES_HINT}.")
    driver = cast(sqlite3.Connection, tx.connection.driver_connection)
    reads = is_read_only(statement)
    with _restrict(driver, _Authorizer(reads), READ_TIMEOUT if reads else WRITE_TIMEOUT):
        driver.execute(
            _prepend_explain(statement)
        ).close()  # asks about all of it, triggers included
        driver.set_authorizer(None)  # or what the index of words does by itself were asked about
        cursor = driver.execute(statement)
        found = cursor.fetchmany(MAX_ROWS + 1)
        changed = cursor.rowcount
        columns = [str(each[0]) for each in cursor.description or ()]
        cursor.close()
    if not reads:
        record_edits(tx)
    if columns:
        rows = [[_format_value(value) for value in row] for row in found[:MAX_ROWS]]
        return {"columns": columns, "rows": rows, "is_whole": len(found) <= MAX_ROWS}
    return {"changed": max(changed, 0)}


def _prepend_explain(statement: str) -> str:
    """What prepares the statement and runs nothing of it."""
    return statement if _first_keyword(statement) == "EXPLAIN" else f"EXPLAIN {statement}"


def format_result(result: dict[str, Any]) -> Iterator[str]:
    """What `run` gave, for people: a table, or how many rows were changed."""
    if "changed" in result:
        yield f"{result['changed']} row{'' if result['changed'] == 1 else 's'} changed"
        return
    table = [result["columns"], *result["rows"]]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for number, row in enumerate(table):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)
    if not result["is_whole"]:
        yield f"… only the first {MAX_ROWS} rows are shown; add a condition, or count them"


@dataclass
class _Authorizer:
    """Asked by SQLite, while it prepares a statement, whether that may do each thing it does."""

    read_only: bool
    refusal: str = field(default="", init=False)

    def __call__(
        self,
        action: int,
        first: str | None,
        second: str | None,
        _db: str | None,
        trigger: str | None,
    ) -> int:
        is_ours = (
            trigger is not None and action in _CHANGE_ACTIONS
        )  # a trigger's; others cannot be made here
        refusal = "" if is_ours else self._find_refusal(action, first or "", second or "")
        self.refusal = self.refusal or refusal
        return sqlite3.SQLITE_DENY if refusal else sqlite3.SQLITE_OK

    def _find_refusal(self, action: int, table: str, column: str) -> str:
        if action in _HARMLESS_ACTIONS:
            return ""
        if action == sqlite3.SQLITE_READ:
            is_secret = column in SECRET_COLUMNS.get(table, ())
            return f"{table}.{column} is a secret; name the other columns." if is_secret else ""
        if action not in _CHANGE_ACTIONS:
            return "It may read and change rows, and do nothing else."
        if self.read_only:
            return f"It changes {table}: begin it with one of {', '.join(WRITE_KEYWORDS)}."
        if table in EDITABLE_TABLES or (
            table == CHANGE_LOG_TABLE and action == sqlite3.SQLITE_DELETE
        ):
            return ""
        known = ", ".join(sorted(EDITABLE_TABLES))
        return f"{table} is kept by Deskwire alone. What can be changed: {known}."


_HARMLESS_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_CHANGE_ACTIONS = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}


@contextmanager
def _restrict(
    driver: sqlite3.Connection, authorizer: _Authorizer, timeout: float
) -> Iterator[None]:
    """What SQLite is asked to do meanwhile is looked at, and has so many seconds."""
    deadline = time.monotonic() + timeout
    driver.set_authorizer(authorizer)
    driver.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise Invalid(authorizer.refusal or f"SQLite refuses it: {error}.") from None
        raise Invalid(
            f"It took longer than {timeout:.0f} s and was stopped; nothing changed."
        ) from None
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise Invalid(authorizer.refusal or f"SQLite refuses it: {error}") from None
    finally:
        driver.set_progress_handler(None, 0)
        driver.set_authorizer(None)


def _format_value(value: object) -> str:
    text = (
        "NULL" if value is None else f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
    )
    return text if len(text) <= MAX_VALUE_LENGTH else text[:MAX_VALUE_LENGTH] + "…"
