"""Translate templates and tables of labels into the language of this desk.

    {{ _("Sign in") }}                          translated once, when the template is compiled
    {{ _("Leave %(place)s", place=org.name) }}  translated when rendered; values are escaped
    {{ ngettext("%(num)s day", "%(num)s days", days) }}
    {% trans … %}                               for a sentence with markup in it

An environment uses the language that is active in the process when it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from jinja2 import Environment, Undefined
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from deskwire.kit.i18n import N_, Catalog, find_plural, find_text, gettext

Key = TypeVar("Key")

# Wire values that pages show as words; the front end has its own list of them.
WIRE_WORDS = frozenset(
    (
        *(N_("low"), N_("normal"), N_("high"), N_("urgent")),
        *(N_("customer"), N_("staff"), N_("bot")),
        *(N_("opener"), N_("author"), N_("added"), N_("watcher")),
    )
)
GETTEXT_CALL_TOKENS = ["name", "lparen", "string", "rparen"]  # the tokens of `_("…")`
PLURAL_RULE_PERIOD = 200  # numbers after which every language's plural rule repeats


def install_translations(environment: Environment) -> Environment:
    """Make an environment translate its templates; return it."""
    environment.add_extension("jinja2.ext.i18n")
    environment.add_extension(StaticTranslation)
    environment.install_gettext_callables(find_text, find_plural, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["_"] = environment.globals["gettext"]  # Jinja's alias adds a lookup a call
    return environment


class StaticTranslation(Extension):
    """Replace `_("…")` by its translation when a template is compiled.

    Looking texts up while rendering made a list's page take half as long again (decision 0032).
    """

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """Replace the four tokens of each static call by one string token."""
        return _translate_static(list(stream))


def _translate_static(tokens: Sequence[Token]) -> Iterator[Token]:
    index = 0
    while index < len(tokens):
        token, call = tokens[index], tokens[index : index + len(GETTEXT_CALL_TOKENS)]
        if token.value == "_" and [each.type for each in call] == GETTEXT_CALL_TOKENS:
            yield Token(token.lineno, "string", gettext(call[2].value))
            index += len(GETTEXT_CALL_TOKENS)
        else:
            yield token
            index += 1


def translate_labels(labels: Mapping[Key, str]) -> dict[Key, str]:
    """Translate the values of a table of labels."""
    return {key: gettext(text) for key, text in labels.items()}


def translate_word(text: str | Undefined | None) -> str:
    """Translate a wire value in WIRE_WORDS; return any other text unchanged."""
    plain = str(text or "")
    return find_text(plain) if plain in WIRE_WORDS else plain


def browser_catalog(catalog: Catalog) -> dict[str, object] | None:
    """Return the texts that the front end needs; None for English, which it has built in.

    `texts` maps each text to its plural forms; `forms` has one digit for each number below
    PLURAL_RULE_PERIOD, the index of its form.
    """
    if not catalog.frontend_texts:
        return None
    texts = {text: list(catalog.translations[text]) for text in sorted(catalog.frontend_texts)}
    forms = "".join(str(catalog.plural_form(number)) for number in range(PLURAL_RULE_PERIOD))
    return {"texts": texts, "forms": forms}
