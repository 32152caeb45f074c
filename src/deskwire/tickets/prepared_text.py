"""Prepare a text before the transaction that stores it: HTML, words for search, possible mentions.

Each takes up to a tenth of a second for a text that was written to be expensive, and everyone waits
for the one writer of SQLite. So the server prepares every text in another thread first. Actions
also take a plain text, and prepare it themselves: for the demo, the command line and tests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from deskwire.accounts.people import MAX_NAME_LENGTH
from deskwire.events.channels import PersonId
from deskwire.kit.errors import Invalid
from deskwire.kit.text import split_words
from deskwire.tickets.markdown import (
    MAX_PLAIN_LENGTH,
    list_mention_candidates,
    mark_mentions,
    render_markdown,
)
from deskwire.tickets.validation import parse_text


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text with what is derived from it alone."""

    text: str
    marked_html: str  # sanitized; `render` replaces its marks
    words: tuple[str, ...]  # for search
    candidates: tuple[
        tuple[str, ...], ...
    ]  # for each `@`: the names that may follow, longest first

    def render(self, mentioned_names: Collection[str] = ()) -> str:
        """Return the HTML, where `@` before one of the names is a mention."""
        return mark_mentions(self.marked_html, mentioned_names)

    def find_mentions(self, names: Mapping[PersonId, str]) -> dict[PersonId, str]:
        """Return the people, with their names, that the text mentions, by name."""
        possible = {name for each in self.candidates for name in each}
        known = possible.intersection(names.values())
        found = {next((name for name in each if name in known), None) for each in self.candidates}
        mentioned = sorted((name, id_) for id_, name in names.items() if name in found)
        return {id_: name for name, id_ in mentioned}


def prepare_text(text: str) -> PreparedText:
    """Prepare a text of any length. Takes up to 0.2 s of CPU time."""
    return PreparedText(
        text,
        render_markdown(text),
        tuple(split_words(text[:MAX_PLAIN_LENGTH])),
        list_mention_candidates(text, MAX_NAME_LENGTH),
    )


def prepare_input(text: str) -> str | PreparedText:
    """Prepare what a person has written.

    Returns an invalid text as it is: whether they may write at all is checked first, by the action
    that refuses it.
    """
    try:
        return prepare_text(parse_text(text))
    except Invalid:
        return text


def parse_input(text: str | PreparedText) -> PreparedText:
    """Return a text a person has written as prepared. Raises Invalid as `parse_text` does."""
    return text if isinstance(text, PreparedText) else prepare_text(parse_text(text))


EMPTY_TEXT = prepare_text("")  # of a message that consists of files
