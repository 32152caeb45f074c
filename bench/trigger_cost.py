"""Measure what the triggers cost Deskwire's own actions: CPU time with and without them.

    python -m bench.trigger_cost

Status changes and messages, each many times, on SQLite; two databases, one of them without
triggers, take turns. The result is the ratio of the process's CPU time.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from sqlalchemy import Connection

from deskwire.integrations.discord import translate
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.kit.sqlite import SQLite
from deskwire.schema import migrate
from deskwire.webhooks.source import Delivery

ROUND_COUNT = 41
ACTIONS_PER_ROUND = 150  # actions in a round
EVENT_TYPES = ("ticket.status_changed", "ticket.message_sent")


def main() -> None:
    """Measure, and print a line for each kind of action."""
    for kind in EVENT_TYPES:
        with tempfile.TemporaryDirectory() as folder:
            bare, with_triggers = (
                _create_database(Path(folder, "bare.db")),
                _create_database(Path(folder, "triggers.db")),
            )
            bare.write_sync(_drop_triggers)
            ratios = [_measure_ratio(kind, bare, with_triggers, nth) for nth in range(ROUND_COUNT)][
                1:
            ]
            ratios.sort()
            low, high = ratios[len(ratios) // 10], ratios[-len(ratios) // 10]
            print(f"{kind}: {median(ratios):.3f} x ({low:.2f} to {high:.2f})")
            bare.close()
            with_triggers.close()


def _measure_ratio(
    kind: str, without_triggers: SQLite, with_triggers: SQLite, round_number: int
) -> float:
    order = (
        (without_triggers, with_triggers) if round_number % 2 else (with_triggers, without_triggers)
    )
    seconds = {db.path: _measure_actions(db, kind, round_number) for db in order}
    return seconds[with_triggers.path] / seconds[without_triggers.path]


def _measure_actions(db: SQLite, kind: str, nth: int) -> float:
    """Return the CPU seconds of ACTIONS_PER_ROUND actions in one transaction."""

    def apply_deliveries(tx: Connection) -> None:
        for each in range(ACTIONS_PER_ROUND):
            number = nth * ACTIONS_PER_ROUND + each
            data = {
                **build_sample_data(kind, ticket=number, number=number),
                "messageId": str(number + 1),
            }
            event = {"type": kind, "data": data}
            translate.apply_delivery(
                tx, Delivery(number, 1_795_348_800_000 + number, {"event": event})
            )

    began = time.process_time()
    db.write_sync(apply_deliveries)
    return time.process_time() - began


def _create_database(path: Path) -> SQLite:
    db = SQLite(path)
    migrate(db)
    return db


def _drop_triggers(tx: Connection) -> None:
    rows = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all()
    for (name,) in rows:
        tx.exec_driver_sql(f"DROP TRIGGER {name}")


if __name__ == "__main__":
    main()
