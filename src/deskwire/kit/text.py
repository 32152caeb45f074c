"""Text as it is compared, and as it may be shown."""

from __future__ import annotations

import unicodedata

# Direction overrides let a text pretend to end and something else to begin.
TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# Letters and a symbol that draw nothing: Hangul fillers and the empty Braille pattern.
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def folded(text: str) -> str:
    """`text` as search compares it: `ÜBUNG`, `Übung` and its decomposed form are one.

    Databases cannot be asked for this: SQLite's LIKE folds ASCII only. NFKC twice, because
    folding may take apart what was composed (Unicode 15, section 3.13, D147).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_disruptive(sign: str) -> bool:
    """Whether a character does something to the text around it, or to a terminal."""
    if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return unicodedata.bidirectional(sign) in TURNS


def is_blank(text: str) -> bool:
    """Whether nothing of `text` would be seen: spaces, joiners, marks without a letter."""
    return all(unicodedata.category(s)[0] in "CZM" or s in FILLERS for s in text)


def harmless(text: str) -> str:
    """One line for a terminal: what could move its cursor or turn its text is written out."""
    return "".join(_written_out(sign) if is_disruptive(sign) else sign for sign in text)


def _written_out(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
