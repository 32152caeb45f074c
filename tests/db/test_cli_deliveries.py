"""Test that the CLI shows deliveries without letting their content control the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deskwire.integrations.discord.source import parse_envelope
from deskwire.kit.sqlite import SQLite
from deskwire.webhooks.deliveries import store_deliveries
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.cast import create_desk
from tests.fixtures.command_line import CommandLine

CLEAR = "\x1b[2J\x9b31m\u202e"  # clears the screen, in red, from the right

pytestmark = pytest.mark.database("sqlite")  # what is printed does not depend on it


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    return CommandLine(monkeypatch, capsys, DATABASE_URL=f"sqlite:///{tmp_path}/desk.db")


def test_escape_sequences_in_a_type_are_escaped_in_the_output(
    tmp_path: Path, command_line: CommandLine
) -> None:
    command_line.run_ok("migrate")
    event = {"type": CLEAR, "data": {"a": CLEAR}}
    body = json.dumps({"event": event, "timestamp": "now"}, ensure_ascii=False).encode()
    assert parse_envelope(body)[1] is None
    db = SQLite(f"sqlite:///{tmp_path}/desk.db")
    db.write_sync(store_deliveries, [IncomingDelivery("bot", "d", None, CLEAR, 1, 1, body, None)])
    db.close()

    output = command_line.run_ok("deliveries", "list") + command_line.run_ok(
        "deliveries", "show", "1"
    )

    assert "\\x1b[2J\\x9b31m\\u202e" in output
    assert not set(CLEAR[:1] + CLEAR[4:5] + CLEAR[-1:]) & set(output)


def test_escape_sequences_in_a_subject_are_escaped_by_tail(
    tmp_path: Path, command_line: CommandLine
) -> None:
    desk = create_desk(tmp_path)
    desk.open_ticket(1, f"Look {CLEAR}")
    desk.db.close()

    output = command_line.run_ok("events", "tail", "--after", "0", "--no-follow")

    assert "Look" in output
    assert not set("\x1b\x9b\u202e") & set(output)
