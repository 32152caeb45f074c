"""Test that the demo's simulator knows only the URL and the secret."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from deskwire.demo.run import render_welcome, run_demo, simulator_environment
from deskwire.kit.errors import Conflict
from deskwire.server.serve import bind_socket
from deskwire.settings import load_settings

SECRET = "s" * 64


def test_the_simulator_gets_only_the_environment_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", f"{SECRET},{'o' * 64}")
    ours = {"PATH": "/bin", "PYTHONPATH": "src", "AWS_SECRET_ACCESS_KEY": "x", "HTTPS_PROXY": "y"}
    ours["DATABASE_URL"] = "sqlite:///somebody-elses.db"

    known = simulator_environment(load_settings(), ours)

    assert known == {"PATH": "/bin", "PYTHONPATH": "src", "BOT_WEBHOOK_SECRET": SECRET}


def test_without_a_secret_the_simulator_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOT_WEBHOOK_SECRET", raising=False)

    assert simulator_environment(load_settings(), {"PATH": "/bin"}) == {"PATH": "/bin"}


def test_the_welcome_text_explains_the_cli_and_hides_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOT_WEBHOOK_SECRET", raising=False)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///.demo/deskwire.db")

    text = render_welcome(load_settings({"bot_webhook_secret": SECRET}), Path(".demo"), SECRET)

    assert "DATABASE_URL=sqlite:///.demo/deskwire.db" in text
    assert "BOT_WEBHOOK_SECRET=$(cat .demo/secret)" in text
    assert SECRET not in text


def test_the_welcome_text_omits_the_secret_file_if_the_environment_sets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", SECRET)

    assert "BOT_WEBHOOK_SECRET" not in render_welcome(load_settings(), Path(".demo"), "another")


def test_on_a_port_in_use_the_demo_creates_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(bind_socket("127.0.0.1", 0)) as taken:
        taken.listen()
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))

        with pytest.raises(Conflict, match="Cannot listen"):
            run_demo(Path(".demo"))

    assert list(tmp_path.iterdir()) == []
