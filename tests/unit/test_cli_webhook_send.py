"""Test that `deskwire webhook send` refuses invalid events with a message, and sends nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.command_line import CommandLine

HALF = "\udcff"  # how Python holds a byte of an argument that is no UTF-8


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(
        monkeypatch, capsys, BOT_WEBHOOK_SECRET="s" * 64, PUBLIC_URL="http://127.0.0.1:9"
    )


@pytest.mark.parametrize(
    "data",
    ['{"x": 1e999}', '{"x": NaN}', '{"x": -Infinity}', '{"x": "\\ud800"}', "[]", "{", "[" * 9999],
    ids=lambda data: data[:20],
)
def test_invalid_json_is_refused(data: str, command_line: CommandLine) -> None:
    output = command_line.run_refused("webhook", "send", "guild.left", "--data", data)

    assert "--data must be a JSON object" in output


@pytest.mark.parametrize(
    "url", [f"http://{'a' * 70}.example", "http://a..example", f"http://{HALF}", "http://[::1"]
)
def test_an_unresolvable_host_is_refused(url: str, command_line: CommandLine) -> None:
    assert "is not an address" in command_line.run_refused(
        "webhook", "send", "guild.left", "--url", url
    )


@pytest.mark.parametrize("option", ["--secret", "--guild"])
def test_invalid_utf_8_is_refused(option: str, command_line: CommandLine) -> None:
    output = command_line.run_refused("webhook", "send", "guild.left", option, HALF)

    assert "not valid UTF-8 text" in output
