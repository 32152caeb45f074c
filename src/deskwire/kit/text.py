"""Normalize text and split it into words for search, and escape what must not reach a terminal."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

MAX_WORD_LENGTH = 64  # characters of a word that search compares; PostgreSQL indexes no more

# Scripts written without spaces between words: first and last character.
UNSPACED_RANGES = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Myanmar
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3005", "\u3007"),  # Chinese iteration marks, and zero
    ("\u3040", "\u312f"),  # Hiragana, Katakana, Bopomofo
    ("\u3400", "\u9fff"),  # Chinese
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)

# Bidirectional controls can make text look as if it ended and something else began.
BIDI_OVERRIDES = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# Letters and a symbol without a visible glyph: Hangul fillers and the blank Braille pattern.
INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def fold_text(text: str) -> str:
    """Fold `text` for comparison: `ÜBUNG`, `Übung` and its decomposed form become equal.

    Not done in the database, because SQLite's LIKE folds ASCII only. Normalizes to NFKC twice,
    because case folding may decompose characters (Unicode 15, section 3.13, D147).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def split_words(text: str) -> list[str]:
    """Split `text` into the words that search compares, folded, each once, in order.

    A word consists of letters, digits and their combining marks. Everything else separates words,
    so that no database has to tokenize: `E-Mail` is two words, `a_b@c.de` four. In scripts without
    spaces, every character begins a word of two: `起重機` becomes `起重`, `重機` and `機`. So
    search by the beginning of words also matches within such a text, and only where the characters
    are adjacent.
    """
    runs = dict.fromkeys(fold_text(text).translate(_SEPARATORS_TO_SPACES).split())
    return list(dict.fromkeys(word[:MAX_WORD_LENGTH] for run in runs for word in _split_run(run)))


def _split_run(run: str) -> list[str]:
    if run.isascii():
        return [run]
    return [word for stretch in _STRETCHES.findall(run) for word in _split_stretch(stretch)]


def _split_stretch(stretch: str) -> list[str]:
    if _STARTS_UNSPACED.match(stretch):
        return [*map("".join, pairwise(stretch)), stretch[-1]]
    return [stretch] if any(map(str.isalnum, stretch)) else []  # not marks alone


_UNSPACED_CLASS = "".join(f"{first}-{last}" for first, last in UNSPACED_RANGES)
_STARTS_UNSPACED = re.compile(f"[{_UNSPACED_CLASS}]")
_STRETCHES = re.compile(f"[{_UNSPACED_CLASS}]+|[^{_UNSPACED_CLASS}]+")


class _SeparatorTable(dict[int, str]):
    """A table for `str.translate` that replaces word separators with spaces.

    Caches ASCII only: otherwise a sender could make it grow to a million characters.
    """

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        return character if unicodedata.category(character)[0] in "LMN" else " "


_SEPARATORS_TO_SPACES = _SeparatorTable(
    {code_point: chr(code_point) if chr(code_point).isalnum() else " " for code_point in range(128)}
)


def is_control_character(character: str) -> bool:
    """Whether a character affects the surrounding text or the terminal instead of being shown."""
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return unicodedata.bidirectional(character) in BIDI_OVERRIDES


def is_blank(text: str) -> bool:
    """Whether all of `text` is invisible: spaces, joiners, marks without a letter."""
    return all(unicodedata.category(c)[0] in "CZM" or c in INVISIBLE_LETTERS for c in text)


def escape_control_characters(text: str) -> str:
    """Escape what could move a terminal's cursor or reverse its text; the result is one line."""
    return "".join(_escape(c) if is_control_character(c) else c for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
