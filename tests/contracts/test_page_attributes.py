"""Check that the attributes that scripts read are in a template, or set by a script."""

from __future__ import annotations

import re

from tests.contracts.source_files import REPOSITORY_ROOT

SCRIPTS = REPOSITORY_ROOT / "frontend/src"
PAGES = REPOSITORY_ROOT / "src/deskwire/web"


def test_every_attribute_read_by_a_script_is_set() -> None:
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS.rglob("*.ts"))
    pages = "\n".join(
        path.read_text(encoding="utf-8")
        for pattern in ("*.html", "*.py")
        for path in PAGES.rglob(pattern)
    )
    read = {to_attribute(name) for name in re.findall(r'dataset\["(\w+)"\]', scripts)}
    read |= set(re.findall(r"\[(data-[a-z-]+)", scripts))
    set_by_scripts = {
        to_attribute(name) for name in re.findall(r'dataset\["(\w+)"\] (?:\?\?)?= ', scripts)
    }
    unset = {name for name in read if not re.search(rf"{name}(?![\w-])", pages)}

    assert len(read) > 40, "the patterns no longer match how scripts read attributes"
    assert sorted(unset - set_by_scripts) == [], "no template sets it: was it renamed there only?"


def test_the_frontend_readme_names_existing_attributes() -> None:
    readme = (REPOSITORY_ROOT / "frontend/README.md").read_text(encoding="utf-8")
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for folder, pattern in ((SCRIPTS, "*.ts"), (PAGES, "*.html"), (PAGES, "*.py"))
        for path in folder.rglob(pattern)
    )
    known = set(re.findall(r"data-[a-z]+(?:-[a-z]+)*", code))
    known |= {to_attribute(name) for name in re.findall(r'dataset\["(\w+)"\]', code)}

    assert set(re.findall(r"\bdata-[a-z]+(?:-[a-z]+)*", readme)) <= known


def to_attribute(name: str) -> str:
    """`uploadTo` → `data-upload-to`."""
    return "data-" + re.sub(r"[A-Z]", lambda match: f"-{match[0].lower()}", name)
