"""Text as it is compared, and as it may be shown."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

MAX_WORD = 64  # characters of a word that are compared; PostgreSQL indexes no longer ones

# Scripts written without spaces between words: from, to.
UNSPACED = (
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
TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# Letters and a symbol that draw nothing: Hangul fillers and the empty Braille pattern.
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def folded(text: str) -> str:
    """`text` as search compares it: `ÜBUNG`, `Übung` and its decomposed form are one.

    Databases cannot be asked for this: SQLite's LIKE folds ASCII only. NFKC twice, because
    folding may take apart what was composed (Unicode 15, section 3.13, D147).
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words_of(text: str) -> list[str]:
    """The words search compares, each once, in order: letters, digits and the marks on them.

    Everything else parts words, so that no database has to: `E-Mail` is two words, `a_b@c.de`
    four. Where a script puts no spaces, a word begins at each character and ends with the next:
    `起重機` is `起重`, `重機` and `機`. So what is asked for by the beginning of words is found
    inside of such a text too, and only where the characters follow each other.
    """
    runs = dict.fromkeys(folded(text).translate(_SIGNS).split())
    return list(dict.fromkeys(word[:MAX_WORD] for run in runs for word in _words_in(run)))


def _words_in(run: str) -> list[str]:
    if run.isascii():
        return [run]
    return [word for stretch in _STRETCHES.findall(run) for word in _words_at(stretch)]


def _words_at(stretch: str) -> list[str]:
    if _IS_UNSPACED.match(stretch):
        return [*map("".join, pairwise(stretch)), stretch[-1]]
    return [stretch] if any(map(str.isalnum, stretch)) else []  # marks on nothing are no word


_SCRIPTS = "".join(f"{first}-{last}" for first, last in UNSPACED)
_IS_UNSPACED = re.compile(f"[{_SCRIPTS}]")
_STRETCHES = re.compile(f"[{_SCRIPTS}]+|[^{_SCRIPTS}]+")


class _Signs(dict[int, str]):
    """A table for `str.translate`: what is in no word becomes a space.

    Only ASCII is kept at hand: a sender could make it remember a million characters.
    """

    def __missing__(self, sign: int) -> str:
        written = chr(sign)
        return written if unicodedata.category(written)[0] in "LMN" else " "


_SIGNS = _Signs({sign: chr(sign) if chr(sign).isalnum() else " " for sign in range(128)})


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
