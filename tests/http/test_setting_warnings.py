"""Test that a server says at its start which settings of its files it does not read."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures.server import running_server


def test_misspelt_settings_in_a_file_are_named_at_startup(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PUBLIC_ULR=https://hidden.test\nCLERK_SECRET_KEY=sk_hidden\n")

    with running_server(tmp_path) as server:
        lines = server.log.find_lines()

    assert any("PUBLIC_ULR in .env: did you mean PUBLIC_URL?" in line for line in lines)
    assert any("CLERK_SECRET_KEY has no effect" in line for line in lines)
    assert not any("hidden" in line for line in lines)
