"""What people write into a request: parsed once, with a sentence for what cannot be."""

from __future__ import annotations

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext, numeral
from deskwire.kit.text import is_blank, is_disruptive

SUBJECT_CHARACTERS = 100  # Discord's own limit for a ticket's subject
TEXT_CHARACTERS = 20_000  # ten pages; longer ones are files
LABEL_CHARACTERS = 40  # a label is a word or two


def parse_subject(text: str) -> str:
    """A title on one line, 1 to 100 characters."""
    refusal = gettext(
        "Write a title of 1 to %(most)s ordinary characters.", most=SUBJECT_CHARACTERS
    )
    return _parse_line(text, "subject", refusal, SUBJECT_CHARACTERS)


def parse_label(text: str) -> str:
    """A label on one line, 1 to 40 characters."""
    refusal = gettext("Write a label of 1 to %(most)s ordinary characters.", most=LABEL_CHARACTERS)
    return _parse_line(text, "label", refusal, LABEL_CHARACTERS)


def parse_text(text: str, field: str = "text") -> str:
    """What somebody writes, with its line ends as `\\n`; not nothing, and not endless."""
    tidy = storable(text).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if is_blank(tidy):
        raise Invalid(gettext("Write something first."), {field: gettext("Write something first.")})
    if len(tidy) > TEXT_CHARACTERS:
        sentence = gettext(
            "That is %(count)s characters; %(most)s fit. Attach it as a file.",
            count=numeral(len(tidy)),
            most=numeral(TEXT_CHARACTERS),
        )
        raise Invalid(sentence, {field: sentence})
    return tidy


def storable(text: str) -> str:
    """Without what no database takes: NUL, and half characters."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _parse_line(text: str, field: str, refusal: str, longest: int) -> str:
    line = " ".join(storable(text).split())
    if is_blank(line) or len(line) > longest or any(map(is_disruptive, line)):
        raise Invalid(refusal, {field: refusal})
    return line
