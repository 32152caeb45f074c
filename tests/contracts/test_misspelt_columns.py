"""Check that the type checker rejects a misspelt column of a row view."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

from tests.contracts.source_files import REPOSITORY_ROOT

PROGRAM = """
from deskwire.tickets.messages import MessageRow
from deskwire.tickets.tables import ParticipantRow, TicketRow
def read(ticket: TicketRow, message: MessageRow, participant: ParticipantRow) -> list[object]:
    return [ticket.opener, message.author, participant.principal]
"""


@pytest.fixture
def check_types(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run mypy as `make lint` does, with the same cache: seconds, not a minute."""
    monkeypatch.chdir(REPOSITORY_ROOT)
    path = tmp_path / "program.py"

    def check(program: str) -> str:
        path.write_text(program)
        report, errors, _status = api.run(["--no-error-summary", str(path)])
        assert not errors
        return report

    return check


def test_a_misspelt_column_fails_the_type_check(check_types) -> None:
    misspelt = PROGRAM.replace(".opener", ".opner").replace(".principal", ".person")

    assert check_types(PROGRAM) == ""
    report = check_types(misspelt.replace(".author", ".auhtor"))

    assert '"TicketRow" has no attribute "opner"' in report
    assert '"MessageRow" has no attribute "auhtor"' in report
    assert '"ParticipantRow" has no attribute "person"' in report
