"""Extract every translatable text into the catalogs; `--check` only compares them.

src/deskwire/locales/deskwire.pot          the texts to translate, made from the code
src/deskwire/locales/LANGUAGE/LC_MESSAGES  translations; changed texts are marked fuzzy
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
LOCALES = ROOT / "src" / "deskwire" / "locales"
TEMPLATE_FILE = LOCALES / "deskwire.pot"
Keywords = dict[str, tuple[int, int] | None]  # functions, and the positions of their text arguments
MAX_COLUMNS = 100  # columns, as in the code
PYTHON_KEYWORDS: Keywords = {"gettext": None, "ngettext": (1, 2), "find_plural": (1, 2), "N_": None}
SCRIPT_KEYWORDS: Keywords = {"t": None, "tn": (1, 2), "N_": None, "NN_": (1, 2)}
TEMPLATE_KEYWORDS: Keywords = {"_": None, "ngettext": (1, 2), "gettext": None}
EXTRACT_OPTIONS: dict[str, dict[str, object]] = {"**": {"encoding": "utf-8"}}
SOURCES: tuple[tuple[str, list[tuple[str, str]], Keywords], ...] = (
    ("src/deskwire", [("demo/**", "ignore"), ("**.py", "python")], PYTHON_KEYWORDS),
    (
        "src/deskwire/web/templates",
        [("**.html", "jinja2"), ("**.txt", "jinja2")],
        TEMPLATE_KEYWORDS,
    ),
    ("frontend/src", [("generated/**", "ignore"), ("**.ts", "javascript")], SCRIPT_KEYWORDS),
)
FILE_HEADER = b"""\
# What Deskwire says, to be translated; made by `make catalog`. docs/translating.md says how.
msgid ""
msgstr ""
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def main(arguments: list[str]) -> int:
    """Write all catalogs; with --check, list those that are out of date and return 1."""
    catalogs = list(render_catalogs())
    stale = [path for path, content in catalogs if path.read_bytes() != content]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: make catalog", file=sys.stderr)
        return 1 if stale else 0
    for path, content in catalogs:
        path.write_bytes(content)
    return 0


def render_catalogs() -> Iterator[tuple[Path, bytes]]:
    """Yield every catalog with its up-to-date content."""
    template = extract_messages()
    yield TEMPLATE_FILE, FILE_HEADER + render_catalog(template)
    for path in sorted(LOCALES.glob("*/LC_MESSAGES/deskwire.po")):
        content = path.read_bytes()
        catalog = read_po(BytesIO(content), path.parts[-3])
        catalog.update(template)
        header = content.partition(b"\n\n")[0]  # the translator's: language, plural forms
        yield path, header + b"\n\n" + render_catalog(catalog)


def extract_messages() -> Catalog:
    """Extract every text in templates, Python and TypeScript."""
    catalog = Catalog(charset="utf-8")
    for folder, methods, keywords in SOURCES:
        texts = extract_from_dir(ROOT / folder, methods, EXTRACT_OPTIONS, keywords)
        for path, _line, text, comments, context in texts:
            location = (f"{folder}/{Path(path).as_posix()}", 1)
            catalog.add(text, None, [location], auto_comments=comments, context=context)
    return catalog


def render_catalog(catalog: Catalog) -> bytes:
    """Render a catalog, with locations but no line numbers, which every change would move."""
    file = BytesIO()
    write_po(
        file, catalog, MAX_COLUMNS, omit_header=True, ignore_obsolete=True, include_lineno=False
    )
    return re.sub(rb"\n+\Z", b"\n", file.getvalue())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
