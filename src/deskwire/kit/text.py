"""Text as it is compared, and as it may be shown."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

MAX_WORD_LENGTH = 64  # characters of a word that are compared; PostgreSQL indexes no longer ones

# Scripts written without spaces between words: from, to.
UNSPACED_RANGES = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u1000", "\u109f"),  # Myanmar
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3005", "\u3007"),  # the Chinese marks of repetition, and zero
    ("\u3040", "\u312f"),  # Hiragana, Katakana, Bopomofo
    ("\u3400", "\u9fff"),  # Chinese
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)

# Direction overrides let a text pretend to end and something else to begin.
BIDI_OVERRIDES = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# Letters and a symbol that draw nothing: Hangul fillers and the empty Braille pattern.
INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def fold_text(text: str) -> str:
    """`text` as search compares it: `ÜBUNG`, `Übung` and its decomposed form are one.

    Databases cannot be asked for this: SQLite's LIKE folds ASCII only. NFKC twice, because
    folding may take apart what was composed (Unicode 15, section 3.13, D147).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def split_words(text: str) -> list[str]:
    """The words search compares, each once, in order: letters, digits and the marks on them.

    Everything else parts words, so that no database has to: `E-Mail` is two words, `a_b@c.de`
    four. Where a script puts no spaces, a word begins at each character and ends with the next:
    `起重機` is `起重`, `重機` and `機`. So what is asked for by the beginning of words is found
    inside of such a text too, and only where the characters follow each other.
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
    return [stretch] if any(map(str.isalnum, stretch)) else []  # marks on nothing are no word


_UNSPACED_CLASS = "".join(f"{first}-{last}" for first, last in UNSPACED_RANGES)
_STARTS_UNSPACED = re.compile(f"[{_UNSPACED_CLASS}]")
_STRETCHES = re.compile(f"[{_UNSPACED_CLASS}]+|[^{_UNSPACED_CLASS}]+")


class _SeparatorTable(dict[int, str]):
    """A table for `str.translate`: what is in no word becomes a space.

    Only ASCII is kept at hand: a sender could make it remember a million characters.
    """

    def __missing__(self, code_point: int) -> str:
        written = chr(code_point)
        return written if unicodedata.category(written)[0] in "LMN" else " "


_SEPARATORS_TO_SPACES = _SeparatorTable(
    {sign: chr(sign) if chr(sign).isalnum() else " " for sign in range(128)}
)


def is_control_character(character: str) -> bool:
    """Whether a character does something to the text around it, or to a terminal."""
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return True
    return unicodedata.bidirectional(character) in BIDI_OVERRIDES


def is_blank(text: str) -> bool:
    """Whether nothing of `text` would be seen: spaces, joiners, marks without a letter."""
    return all(unicodedata.category(s)[0] in "CZM" or s in INVISIBLE_LETTERS for s in text)


def escape_control_characters(text: str) -> str:
    """One line for a terminal: what could move its cursor or turn its text is written out."""
    return "".join(_escape(sign) if is_control_character(sign) else sign for sign in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
