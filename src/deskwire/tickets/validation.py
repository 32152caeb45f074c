"""What people write into a request: parsed once, with a sentence for what cannot be."""

from __future__ import annotations

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import format_number, gettext
from deskwire.kit.text import is_blank, is_control_character

MAX_SUBJECT_LENGTH = 100  # Discord's own limit for a ticket's subject
MAX_TEXT_LENGTH = 20_000  # ten pages; longer ones are files
MAX_LABEL_LENGTH = 40  # a label is a word or two


def parse_subject(text: str) -> str:
    """A title on one line, 1 to 100 characters."""
    refusal = gettext(
        "Write a title of 1 to %(most)s ordinary characters.", most=MAX_SUBJECT_LENGTH
    )
    return _parse_line(text, "subject", refusal, MAX_SUBJECT_LENGTH)


def parse_label(text: str) -> str:
    """A label on one line, 1 to 40 characters."""
    refusal = gettext("Write a label of 1 to %(most)s ordinary characters.", most=MAX_LABEL_LENGTH)
    return _parse_line(text, "label", refusal, MAX_LABEL_LENGTH)


def parse_text(text: str, field: str = "text") -> str:
    """What somebody writes, with its line ends as `\\n`; not nothing, and not endless."""
    tidy = strip_unstorable(text).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if is_blank(tidy):
        raise Invalid(gettext("Write something first."), {field: gettext("Write something first.")})
    if len(tidy) > MAX_TEXT_LENGTH:
        sentence = gettext(
            "That is %(count)s characters; %(most)s fit. Attach it as a file.",
            count=format_number(len(tidy)),
            most=format_number(MAX_TEXT_LENGTH),
        )
        raise Invalid(sentence, {field: sentence})
    return tidy


def strip_unstorable(text: str) -> str:
    """Without what no database takes: NUL, and half characters."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _parse_line(text: str, field: str, error_text: str, max_length: int) -> str:
    line = " ".join(strip_unstorable(text).split())
    if is_blank(line) or len(line) > max_length or any(map(is_control_character, line)):
        raise Invalid(error_text, {field: error_text})
    return line
