"""Check that the catalogs contain every text, and that every translation fits its text."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from deskwire.kit import i18n
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import (
    ENGLISH,
    Catalog,
    activate,
    catalog_path,
    gettext,
    list_languages,
    ngettext,
)
from deskwire.kit.i18n_loader import (
    find_translation_errors,
    get_msgstrs,
    parse_catalog,
    read_catalog,
)
from deskwire.web.i18n import WIRE_WORDS
from tests.contracts.source_files import (
    REPOSITORY_ROOT,
    list_modules,
    list_tracked_files,
    read_file,
)

TRANSLATED = [language for language in list_languages() if language != ENGLISH]
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
IN_SCRIPTS = re.compile(r'\b(?:t|tn|N_|NN_)\(\s*"([^"]*)"')
BARE = re.compile(r"""\b(?:title|text|groupTitle|label): *(?:\(?\w*\)? *=>\s*)?["`](?!")""")
POLISH = """
msgid ""
msgstr "Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"

#: frontend/src/model/toasts.ts
msgid "%(num)s file"
msgid_plural "%(num)s files"
msgstr[0] "plik"
msgstr[1] "%(num)s pliki"
msgstr[2] "%(num)s plików"

#, fuzzy
msgid "Sign in"
msgstr "Wyloguj"
"""  # noqa: E501


def test_the_catalogs_match_the_code() -> None:
    check = [sys.executable, str(REPOSITORY_ROOT / "scripts/extract_messages.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_translations_are_complete_and_keep_their_placeholders() -> None:
    for language in TRANSLATED:
        with catalog_path(language).open("rb") as file:
            catalog = read_po(file, language)
        for message in (each for each in catalog if each.id):
            forms = 1 if isinstance(message.id, str) else catalog.num_plurals
            assert not message.fuzzy, f"{language}: {message.id} has changed; look at it again"
            assert all(get_msgstrs(message)), f"{language}: {message.id} is not translated"
            assert len(get_msgstrs(message)) == forms, f"{language}: {message.id}"
            assert find_translation_errors(message) == [], language
        assert read_catalog(language).months != Catalog().months


def test_every_call_gives_the_values_its_text_names() -> None:
    for module in list_modules():
        for line, texts, given in calls_in(module.tree):
            assert placeholders_of(texts) == given - {"num"}, f"{module.path}:{line}: {texts[0]}"


def test_every_template_gives_the_values_its_texts_name() -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in list_tracked_files():
        if path.startswith("src/deskwire/web/templates/"):
            for call in environment.parse(read_file(path)).find_all(nodes.Call):
                texts = [each.value for each in call.args if isinstance(each, nodes.Const)]
                name = call.node.name if isinstance(call.node, nodes.Name) else ""
                if name in ("_", "ngettext") and texts:
                    given = {each.key for each in call.kwargs} - {"num"}
                    assert placeholders_of(texts[:2]) == given, f"{path}:{call.lineno}: {texts[0]}"


def test_scripts_receive_every_text_they_show() -> None:
    with (i18n.LOCALES_FOLDER / "deskwire.pot").open("rb") as file:
        known = {each.id if isinstance(each.id, str) else each.id[0] for each in read_po(file)}

    for path in list_tracked_files():
        if path.startswith("frontend/src/") and path.endswith(".ts"):
            source = re.sub(r"^\s*(//|/?\*).*$", "", read_file(path), flags=re.MULTILINE)
            for text in IN_SCRIPTS.findall(source):
                assert text in known, f"{path}: {text}"


def test_labels_of_wire_values_agree_in_python_and_typescript() -> None:
    source = read_file("frontend/src/model/labels.ts").partition("WIRE")[2]

    only_in_templates = {"opener", "author", "added", "watcher"}
    assert set(re.findall(r'N_\("(\w+)"\)', source)) == WIRE_WORDS - only_in_templates


def test_every_toast_text_is_in_the_catalogs() -> None:
    for path in list_tracked_files():
        if path.startswith("frontend/src/") and "/generated/" not in path:
            assert BARE.findall(read_file(path)) == [], path


@pytest.fixture
def polish_catalog(tmp_path: Path) -> Iterator[Catalog]:
    path = tmp_path / "deskwire.po"
    path.write_text(POLISH, encoding="utf-8")
    activate(parse_catalog(path, "pl"))
    yield i18n.get_active()
    activate(Catalog())


@pytest.mark.usefixtures("polish_catalog")
def test_plural_forms_follow_the_language() -> None:
    texts = [ngettext("%(num)s file", "%(num)s files", number) for number in (1, 2, 5, 22, 112)]

    assert texts == ["plik", "2 pliki", "5 plików", "22 pliki", "112 plików"]


def test_a_language_may_have_a_single_plural_form(tmp_path: Path) -> None:
    path = tmp_path / "deskwire.po"
    forms = "Plural-Forms: nplurals=1; plural=0;"
    catalog_text = (
        f'msgid ""\nmsgstr "{forms}"\n\nmsgid "%(num)s file"\nmsgid_plural "%(num)s files"\n'
    )
    path.write_text(f'{catalog_text}msgstr[0] "%(num)s 個"\n', encoding="utf-8")
    activate(parse_catalog(path, "ja"))
    texts = [ngettext("%(num)s file", "%(num)s files", number) for number in (1, 2, 5)]
    activate(Catalog())

    assert texts == ["1 個", "2 個", "5 個"]


def test_a_closing_tag_before_its_opening_tag_is_refused() -> None:
    kept = Message("See <a>this</a> now", "Siehe <a>dies</a> jetzt")
    swapped = Message("See <a>this</a> now", "Siehe </a>dies<a> jetzt")

    assert find_translation_errors(kept) == []
    assert len(find_translation_errors(swapped)) == 1


@pytest.mark.usefixtures("polish_catalog")
def test_missing_and_fuzzy_translations_fall_back_to_english() -> None:
    assert [gettext("Sign in"), gettext("Sign out")] == ["Sign in", "Sign out"]


@pytest.mark.parametrize(
    "line", ["%(name)s", "%(num)s %s", "100 %", "<b>%(num)s</b>", '%(num)s "pliki"', "& %(num)s"]
)
def test_a_translation_that_would_break_a_page_is_refused_at_startup(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "deskwire.po"
    broken = POLISH.replace(
        '[1] "%(num)s pliki', f'[1] "{line.replace(chr(34), chr(92) + chr(34))}'
    )
    path.write_text(broken, encoding="utf-8")

    with pytest.raises(Invalid, match="has other"):
        parse_catalog(path, "pl")


def calls_in(tree: ast.AST) -> Iterator[tuple[int, list[str], set[str | None]]]:
    """Where a text is asked for as it is written: the line, its forms, the values given."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Name("gettext" | "ngettext"), [ast.Constant(str()), *_]):
                texts = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
                yield node.lineno, texts, {each.arg for each in node.keywords}


def placeholders_of(texts: Iterable[str]) -> set[str]:
    """What has to be given; the number of `ngettext` is."""
    return {placeholder for text in texts for placeholder in PLACEHOLDER.findall(text)} - {"num"}
