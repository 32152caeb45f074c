"""A language that only tests speak: each text of the catalogues stands between ⟦ and ⟧."""

from __future__ import annotations

from pathlib import Path

from babel.messages.pofile import read_po, write_po

from deskwire.kit import i18n
from deskwire.kit.i18n import CATALOGUE, Catalogue
from deskwire.kit.i18n_loader import parse_catalogue

LANGUAGE = "xx"
TEMPLATE = i18n.LOCALES / "deskwire.pot"


def write_pseudo(locales: Path) -> Path:
    """Add the language to a folder of languages; its file."""
    with TEMPLATE.open("rb") as file:
        catalogue = read_po(file)
    for message in catalogue:
        if isinstance(message.id, str):
            message.string = bracketed(message.id) if message.id else ""
        else:
            message.string = tuple(map(bracketed, message.id))
    path = locales / LANGUAGE / CATALOGUE
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_po(file, catalogue)
    return path


def read_pseudo(locales: Path) -> Catalogue:
    """The language, to be spoken here."""
    return parse_catalogue(write_pseudo(locales), LANGUAGE)


def bracketed(text: str) -> str:
    """As the language says it."""
    return f"⟦{text}⟧"
