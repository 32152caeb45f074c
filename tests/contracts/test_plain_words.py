"""Check that code and documents avoid words that make a reader stop."""

from __future__ import annotations

import re

import pytest

from tests.contracts.source_files import REPOSITORY_ROOT

WORDS = re.compile(r"\b(whoever|anew|whom|somebody|nobody)\b", re.IGNORECASE)
FOLDERS = ("src/deskwire", "docs", "frontend/src")
SUFFIXES = {".py", ".html", ".md", ".ts"}
# The API's value for unassigned requests, and the addresses and old names in records.
ALLOWED = re.compile(r"[`\"']nobody[`\"']|=nobody\b|\(\"nobody\"|0021-whoever|^\| Nobody \|")
FILES = [
    path
    for folder in FOLDERS
    for path in sorted((REPOSITORY_ROOT / folder).rglob("*"))
    if path.suffix in SUFFIXES and "static/dist" not in path.as_posix()
    if not re.match(r"\d{4}-", path.name) and path.name != "README.md"
] + [REPOSITORY_ROOT / "README.md"]


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_no_file_uses_a_word_that_needs_a_second_reading(suffix: str) -> None:
    found = [
        f"{path.relative_to(REPOSITORY_ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if path.suffix == suffix
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if WORDS.search(ALLOWED.sub("", line))
    ]

    assert not found, "write another word for: " + "\n".join(found)
