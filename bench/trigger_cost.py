"""What the triggers cost an action of our own: CPU time with them and without, in alternation.

    python -m bench.trigger_cost

A ticket that is moved and a message that is kept, each many times, on SQLite; two databases, one of
them without triggers, take turns. The ratio of the process's CPU time is what counts.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from sqlalchemy import Connection

from deskwire.integrations.discord import translate
from deskwire.integrations.discord.samples import sample
from deskwire.kit.sqlite import SQLite
from deskwire.schema import migrate
from deskwire.webhooks.source import Delivery

ROUNDS = 41
EACH = 150  # actions in a round
KINDS = ("ticket.status_changed", "ticket.message_sent")


def main() -> None:
    """Measure, and print a line for each kind of action."""
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            bare, noting = _database(Path(folder, "bare.db")), _database(Path(folder, "noting.db"))
            bare.write_here(_without_triggers)
            ratios = [_ratio(kind, bare, noting, nth) for nth in range(ROUNDS)][1:]
            ratios.sort()
            low, high = ratios[len(ratios) // 10], ratios[-len(ratios) // 10]
            print(f"{kind}: {median(ratios):.3f} x ({low:.2f} to {high:.2f})")
            bare.close()
            noting.close()


def _ratio(kind: str, bare: SQLite, noting: SQLite, nth: int) -> float:
    order = (bare, noting) if nth % 2 else (noting, bare)
    taken = {db.path: _measure(db, kind, nth) for db in order}
    return taken[noting.path] / taken[bare.path]


def _measure(db: SQLite, kind: str, nth: int) -> float:
    """CPU seconds of EACH actions, on a few tickets, in one transaction."""

    def act(tx: Connection) -> None:
        for each in range(EACH):
            number = nth * EACH + each
            data = {**sample(kind, ticket=number, number=number), "messageId": str(number + 1)}
            event = {"type": kind, "data": data}
            translate.apply(tx, Delivery(number, 1_795_348_800_000 + number, {"event": event}))

    began = time.process_time()
    db.write_here(act)
    return time.process_time() - began


def _database(path: Path) -> SQLite:
    db = SQLite(path)
    migrate(db)
    return db


def _without_triggers(tx: Connection) -> None:
    found = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all()
    for (name,) in found:
        tx.exec_driver_sql(f"DROP TRIGGER {name}")


if __name__ == "__main__":
    main()
