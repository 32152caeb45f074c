"""Run one SQL statement for `deskwire sql` on SQLite, with limits on what it may read and change.

Like every admin command, it runs in the process that may write to the file. Its changes are
recorded as direct edits, in the same transaction.
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

MAX_ROWS = 500  # rows shown; for more, count them or add a condition
MAX_VALUE_LENGTH = 1_000  # characters shown of a value
READ_TIMEOUT = 5.0  # s
WRITE_TIMEOUT = 2.0  # s; webhooks wait for the writer meanwhile
PROGRESS_STEPS = 10_000  # SQLite VM instructions between checks of the deadline: below 1 ms

READ_KEYWORDS = ("SELECT", "VALUES", "WITH", "EXPLAIN")
WRITE_KEYWORDS = ("INSERT", "UPDATE", "DELETE", "REPLACE")
EDITABLE_TABLES = frozenset(table.name for table in WATCHED_TABLES)
CHANGE_LOG_TABLE = "outside_changes"  # deleting a row dismisses a rejected direct edit
SECRET_COLUMNS = {  # digests of secrets, and what is to be sent, such as mails with links
    "passwords": {"hash"},
    "sessions": {"token_hash"},
    "links": {"token_hash"},
    "sign_in_failures": {"email_hash"},
    "invitations": {"token_hash", "mailed_hash"},
    "dispatches": {"payload"},
    "api_keys": {"secret_hash"},
    "idempotency_keys": {"body_hash"},
}

POSTGRES_HINT = "psql or any other client: changes from anywhere show up at once"


def is_read_only(statement: str) -> bool:
    """Whether a statement only reads, by its first keyword. Raises Invalid for any other kind."""
    keyword = _first_keyword(statement)
    if keyword not in READ_KEYWORDS + WRITE_KEYWORDS:
        raise Invalid(
            f"A statement must begin with one of {', '.join(READ_KEYWORDS + WRITE_KEYWORDS)}, "
            f"not with {keyword or statement[:20]!r}."
        )
    return keyword in READ_KEYWORDS


def _first_keyword(statement: str) -> str:
    """Return the first word after comments, in upper case; empty if there is none."""
    bare = re.sub(r"\A(\s+|--[^\n]*\n|/\*.*?\*/)*", "", statement, flags=re.DOTALL)
    word = re.match(r"[A-Za-z]*", bare)
    return word[0].upper() if word is not None else ""


def run_statement(tx: Connection, statement: str) -> dict[str, Any]:
    """Run a statement; return {"columns", "rows", "is_whole"}, or the number of rows {"changed"}.

    `is_whole` is False if there were more than MAX_ROWS. Raises Invalid if SQLite rejects the
    statement, if it is not allowed, or if it takes too long.
    """
    if is_postgresql(tx):
        raise Invalid(f"With PostgreSQL use {POSTGRES_HINT}.")
    driver = cast(sqlite3.Connection, tx.connection.driver_connection)
    read_only = is_read_only(statement)
    with _restrict(driver, _Authorizer(read_only), READ_TIMEOUT if read_only else WRITE_TIMEOUT):
        driver.execute(_prepend_explain(statement)).close()  # authorizes all of it, and triggers
        driver.set_authorizer(None)  # or it would refuse the internal writes of the search index
        cursor = driver.execute(statement)
        fetched = cursor.fetchmany(MAX_ROWS + 1)
        changed = cursor.rowcount
        columns = [str(each[0]) for each in cursor.description or ()]
        cursor.close()
    if not read_only:
        record_edits(tx)
    if columns:
        rows = [[_format_value(value) for value in row] for row in fetched[:MAX_ROWS]]
        return {"columns": columns, "rows": rows, "is_whole": len(fetched) <= MAX_ROWS}
    return {"changed": max(changed, 0)}


def _prepend_explain(statement: str) -> str:
    """Return a statement that prepares `statement` without running it."""
    return statement if _first_keyword(statement) == "EXPLAIN" else f"EXPLAIN {statement}"


def format_result(result: dict[str, Any]) -> Iterator[str]:
    """Format the result of `run_statement`: lines of a table, or the number of changed rows."""
    if "changed" in result:
        yield f"{result['changed']} row{'' if result['changed'] == 1 else 's'} changed"
        return
    table = [result["columns"], *result["rows"]]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for number, row in enumerate(table):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if number == 0:
            yield "  ".join("-" * width for width in widths)
    if not result["is_whole"]:
        yield f"… only the first {MAX_ROWS} rows are shown; add a condition, or count them"


@dataclass
class _Authorizer:
    """SQLite's authorizer: decides on each action while a statement is being prepared."""

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
        # Only our own triggers exist, since statements here cannot create any.
        is_by_trigger = trigger is not None and action in _CHANGE_ACTIONS
        refusal = "" if is_by_trigger else self._find_refusal(action, first or "", second or "")
        self.refusal = self.refusal or refusal
        return sqlite3.SQLITE_DENY if refusal else sqlite3.SQLITE_OK

    def _find_refusal(self, action: int, table: str, column: str) -> str:
        if action in _HARMLESS_ACTIONS:
            return ""
        if action == sqlite3.SQLITE_READ:
            if column in SECRET_COLUMNS.get(table, ()):
                return f"{table}.{column} is a secret; select the other columns by name."
            return ""
        if action not in _CHANGE_ACTIONS:
            return "A statement may only read and change rows."
        if self.read_only:
            return f"It changes {table}, so it must begin with one of {', '.join(WRITE_KEYWORDS)}."
        if table in EDITABLE_TABLES or (
            table == CHANGE_LOG_TABLE and action == sqlite3.SQLITE_DELETE
        ):
            return ""
        known = ", ".join(sorted(EDITABLE_TABLES))
        return f"Only Deskwire itself may change {table}; these can be changed: {known}."


_HARMLESS_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_CHANGE_ACTIONS = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}


@contextmanager
def _restrict(
    driver: sqlite3.Connection, authorizer: _Authorizer, timeout: float
) -> Iterator[None]:
    """Authorize and time-limit what the connection does in the block.

    Raises Invalid if SQLite rejects a statement, `authorizer` refuses it, or after `timeout` s.
    """
    deadline = time.monotonic() + timeout
    driver.set_authorizer(authorizer)
    driver.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise Invalid(authorizer.refusal or f"SQLite rejects the statement: {error}.") from None
        raise Invalid(
            f"It took longer than {timeout:.0f} s and was stopped; nothing was changed."
        ) from None
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise Invalid(authorizer.refusal or f"SQLite rejects the statement: {error}") from None
    finally:
        driver.set_progress_handler(None, 0)
        driver.set_authorizer(None)


def _format_value(value: object) -> str:
    text = (
        "NULL" if value is None else f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)
    )
    return text if len(text) <= MAX_VALUE_LENGTH else text[:MAX_VALUE_LENGTH] + "…"
