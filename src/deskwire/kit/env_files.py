"""Find the variables of .env files that no setting reads, such as misspelt ones."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

MIN_SIMILARITY = 0.75  # of 1; PROT is just as close to PORT, and DB_URL is not to DATABASE_URL
# Only what looks like a name is ever repeated: in a file that is quoted wrongly, a line of a key
# in Base64 may be read as one.
NAME = re.compile(r"[A-Z][A-Z0-9_]{1,59}|[a-z][a-z0-9_]{1,59}")


@dataclass(frozen=True, slots=True)
class UnreadVariable:
    """A variable of a file that is no setting, and the setting that may have been meant."""

    name: str
    file: str
    suggestion: str | None


def find_unread(files: Iterable[str], known: Collection[str]) -> Iterator[UnreadVariable]:
    """Yield the variables that are in none of `known`, names in capitals; case does not count."""
    for file in files:
        names = dotenv_values(file, interpolate=False) if Path(file).is_file() else {}
        for name, value in names.items():
            if value is not None and NAME.fullmatch(name) and name.upper() not in known:
                close = get_close_matches(name.upper(), known, 1, MIN_SIMILARITY)
                yield UnreadVariable(name, file, close[0] if close else None)
