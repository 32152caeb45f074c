"""Read how long each writing transaction of a server with hooks took, from the file it writes.

A file and not an admin command, because a server on PostgreSQL has no control socket.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

TIMES_FILE = "transaction_times.jsonl"  # in the server's working directory


class TransactionTime(NamedTuple):
    """What one transaction cost."""

    name: str  # of its function
    cpu: float  # ms of the thread that ran it
    wall: float  # ms


def read_transaction_times(folder: Path) -> list[TransactionTime]:
    """Return the transactions so far, in the order in which they ended."""
    lines = (folder / TIMES_FILE).read_text().splitlines()
    return [TransactionTime(*json.loads(line)) for line in lines]


def group_cpu(times: Iterable[TransactionTime]) -> dict[str, list[float]]:
    """Return the milliseconds of CPU by the name of the function."""
    grouped = defaultdict[str, list[float]](list)
    for each in times:
        grouped[each.name].append(each.cpu)
    return dict(grouped)
