"""Texts in templates, in the language of this desk.

    {{ _("Sign in") }}                            looked up once, as the template is compiled
    {{ _("Leave %(place)s", place=place.name) }}  looked up when shown; values are escaped
    {{ ngettext("%(num)s day", "%(num)s days", days) }}
    {% trans … %}                                 where there is markup within the sentence

The language is that which the process speaks when an environment is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from jinja2 import Environment, Undefined
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from deskwire.kit.i18n import N_, Catalogue, find_plural, find_text, gettext

Key = TypeVar("Key")

# Words of the wire that screens show as they are; scripts have them in `labels.ts`.
WIRE_WORDS = frozenset(
    (
        *(N_("low"), N_("normal"), N_("high"), N_("urgent")),
        *(N_("customer"), N_("staff"), N_("bot")),
        *(N_("opener"), N_("added"), N_("watcher")),
    )
)
GETTEXT_CALL_TOKENS = ["name", "lparen", "string", "rparen"]  # the tokens of `_("…")`
PLURAL_RULE_PERIOD = 200  # numbers after which every language's rule of plurals has repeated itself


def install_translations(environment: Environment) -> Environment:
    """The environment, whose templates are then in the language of this desk."""
    environment.add_extension("jinja2.ext.i18n")
    environment.add_extension(StaticTranslation)
    environment.install_gettext_callables(find_text, find_plural, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["_"] = environment.globals["gettext"]  # its alias looks that up each time
    return environment


class StaticTranslation(Extension):
    """Puts the translation in the place of `_("…")`: asked for as a page is rendered, the texts
    of a list's rows would take half as long again as all the rest of it (decision 0032)."""

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """The tokens of a template, with four of them made one."""
        return _translate_static(list(stream))


def _translate_static(tokens: Sequence[Token]) -> Iterator[Token]:
    at = 0
    while at < len(tokens):
        if [each.type for each in tokens[at : at + 4]] == GETTEXT_CALL_TOKENS and tokens[
            at
        ].value == "_":
            yield Token(tokens[at].lineno, "string", gettext(tokens[at + 2].value))
            at += len(GETTEXT_CALL_TOKENS)
        else:
            yield tokens[at]
            at += 1


def translate_labels(labels: Mapping[Key, str]) -> dict[Key, str]:
    """A table of labels as this desk says them."""
    return {key: gettext(text) for key, text in labels.items()}


def translate_word(text: str | Undefined | None) -> str:
    """A word of the wire as this desk says it; any other as it is."""
    plain = str(text or "")
    return find_text(plain) if plain in WIRE_WORDS else plain


def browser_catalogue(catalogue: Catalogue) -> dict[str, object] | None:
    """What scripts need of a catalogue, to be written into pages; None: they know English.

    `forms` says which form each of the first RULE numbers takes, one digit for each.
    """
    if not catalogue.frontend_texts:
        return None
    texts = {text: list(catalogue.translations[text]) for text in sorted(catalogue.frontend_texts)}
    forms = "".join(str(catalogue.plural_form(number)) for number in range(PLURAL_RULE_PERIOD))
    return {"texts": texts, "forms": forms}
