"""Text as it is compared, and as it may be shown."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """`text` as search compares it: `ÜBUNG`, `Übung` and its decomposed form are one.

    Databases cannot be asked for this: SQLite's LIKE folds ASCII only. NFKC twice, because
    folding may take apart what was composed (Unicode 15, section 3.13, D147).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
