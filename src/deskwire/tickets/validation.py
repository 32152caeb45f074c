"""Parse what people write into a request. Raises Invalid, with a sentence per field."""

from __future__ import annotations

import json
import re

from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.i18n import format_number, gettext
from deskwire.kit.text import is_blank, is_control_character

MAX_SUBJECT_LENGTH = 100  # characters; Discord's own limit for a ticket's subject
MAX_TEXT_LENGTH = 20_000  # characters, about ten pages; longer texts belong in a file
MAX_LABEL_LENGTH = 40  # characters; a label is a word or two

_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


def parse_subject(text: str) -> str:
    """Return a title as one line of 1 to 100 characters."""
    refusal = gettext(
        "Enter a title of 1 to %(most)s printable characters.", most=MAX_SUBJECT_LENGTH
    )
    return _parse_line(text, "subject", refusal, MAX_SUBJECT_LENGTH)


def parse_label(text: str) -> str:
    """Return a label as one line of 1 to 40 characters."""
    refusal = gettext("Enter a label of 1 to %(most)s printable characters.", most=MAX_LABEL_LENGTH)
    return _parse_line(text, "label", refusal, MAX_LABEL_LENGTH)


def parse_ticket_number(text: str) -> int:
    """Return the number in the path of a ticket. Raises NotFound if it is not one."""
    if _NUMBER.fullmatch(text) is None:
        raise NotFound(gettext("This ticket doesn’t exist, or you don’t have access to it."))
    return int(text)


def parse_text(text: str, field: str = "text") -> str:
    """Return a text with `\\n` as line ends. It may be neither blank nor over MAX_TEXT_LENGTH."""
    normalized = strip_unstorable(text).replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if is_blank(normalized):
        raise Invalid(gettext("Write a message first."), {field: gettext("Write a message first.")})
    if len(normalized) > MAX_TEXT_LENGTH:
        sentence = gettext(
            "Your text has %(count)s characters; the limit is %(most)s. Attach it as a file "
            "instead.",
            count=format_number(len(normalized)),
            most=format_number(MAX_TEXT_LENGTH),
        )
        raise Invalid(sentence, {field: sentence})
    return normalized


def strip_unstorable(text: str) -> str:
    """Remove NUL and lone surrogates, which no database stores."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _parse_line(text: str, field: str, error_text: str, max_length: int) -> str:
    line = " ".join(strip_unstorable(text).split())
    if is_blank(line) or len(line) > max_length or any(map(is_control_character, line)):
        raise Invalid(error_text, {field: error_text})
    return line


def parse_tags(text: object) -> list[str] | None:
    """Return the tags in a column's JSON, sorted, or None if it is no JSON list of texts."""
    try:
        tags = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return None
    return sorted(set(tags))
