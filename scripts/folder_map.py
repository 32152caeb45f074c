"""Write the folder map of docs/architecture.md from the first sentences of the modules.

folder_map.py            rewrites the part between the two markers
folder_map.py --check    exits 1 if that part is stale
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "deskwire"
FRONTEND = ROOT / "frontend" / "src"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- folder map: written by `make generate` -->\n"
END = "<!-- end of the folder map -->\n"
LEFT_OUT = ("versions", "__pycache__")  # migrations are named by what they change


def main(arguments: list[str]) -> int:
    """Rewrite or check the map; return the exit code."""
    text = PAGE.read_text(encoding="utf-8")
    fresh = replace_map(text)
    if arguments == ["--check"]:
        if text != fresh:
            print("docs/architecture.md has a stale folder map: run make generate")
        return int(text != fresh)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


def replace_map(text: str) -> str:
    """Return the page with today's map between the markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render_map()}\n{END}{after}"


def render_map() -> str:
    """Return one table per folder: every file with what it is for."""
    sections = [
        *render_folder(PACKAGE, PACKAGE, "src/deskwire"),
        *render_folder(FRONTEND, FRONTEND, "frontend/src"),
    ]
    return "\n".join(sections)


def render_folder(folder: Path, base: Path, name: str) -> Iterator[str]:
    """Yield the lines of a folder and then those of the folders in it."""
    files = sorted(path for path in folder.iterdir() if path.suffix in (".py", ".ts"))
    rows = [
        f"| [{path.name}](../{path.relative_to(ROOT).as_posix()}) | {purpose} |"
        for path in files
        if path.name != "__init__.py" and (purpose := read_purpose(path))
    ]
    if rows:
        title = f"{name}/{folder.relative_to(base).as_posix()}".removesuffix("/.")
        yield f"#### {title}/\n"
        if purpose := read_purpose(folder / "__init__.py"):
            yield f"{purpose}\n"
        yield from ("| file | |", "|---|---|", *rows, "")
    for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
        if inner.name not in LEFT_OUT:
            yield from render_folder(inner, base, name)


def read_purpose(path: Path) -> str:
    """Return the first sentence of a module: its docstring's, or its opening comment's."""
    if not path.exists():
        return ""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ts":
        comment = re.match(r"(?://[^\n]*\n)+", text)
        doc = re.sub(r"^// ?", "", comment.group(), flags=re.MULTILINE) if comment else ""
    else:
        doc = ast.get_docstring(ast.parse(text)) or ""
    first = " ".join(doc.split("\n\n")[0].split())
    sentence = re.match(r".*?[.!](?= |$)", first)
    plain = (sentence.group() if sentence else first).replace("`", "")
    return plain.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
