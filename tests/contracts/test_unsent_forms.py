"""Check that every form with room for a longer text keeps it until the server has said yes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.source_files import REPOSITORY_ROOT

TEMPLATES = REPOSITORY_ROOT / "src/deskwire/web/templates"
FORM = re.compile(r"<form\b(.*?)</form>", re.DOTALL)
DRAFT = re.compile(r'data-draft="[a-z]+ \{\{ [a-z.]+ \}\}"')
# Scripts that delete the draft only once the server has said yes.
SENDERS = ("data-compose", "data-background")


def list_forms() -> Iterator[tuple[Path, str]]:
    for path in sorted(TEMPLATES.rglob("*.html")):
        for form in FORM.findall(path.read_text()):
            yield path, form


@pytest.mark.parametrize(
    ("path", "form"),
    [pytest.param(*each, id=each[0].name) for each in list_forms() if "<textarea" in each[1]],
)
def test_a_form_with_a_textarea_keeps_its_text(path: Path, form: str) -> None:
    assert DRAFT.search(form), f"{path}: give the form data-draft (frontend/README.md)"


@pytest.mark.parametrize(
    ("path", "form"),
    [pytest.param(*each, id=each[0].name) for each in list_forms() if "data-draft" in each[1]],
)
def test_a_form_with_a_draft_is_sent_by_a_script_that_reads_the_response(
    path: Path, form: str
) -> None:
    assert any(sender in form for sender in SENDERS), (
        f"{path}: a form with data-draft needs one of {', '.join(SENDERS)}, "
        "or its draft is never deleted"
    )
