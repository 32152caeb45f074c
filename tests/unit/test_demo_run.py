"""The demo's bot is a stranger: it knows the address and the secret, and nothing of the desk's."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskwire.demo.run import bot_environment
from deskwire.settings import load

SECRET = "s" * 64


def test_the_bot_gets_nothing_of_the_environment_but_what_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", f"{SECRET},{'o' * 64}")
    ours = {"PATH": "/bin", "PYTHONPATH": "src", "AWS_SECRET_ACCESS_KEY": "x", "HTTPS_PROXY": "y"}
    ours["DATABASE_URL"] = "sqlite:///somebody-elses.db"

    known = bot_environment(load(), ours)

    assert known == {"PATH": "/bin", "PYTHONPATH": "src", "BOT_WEBHOOK_SECRET": SECRET}


def test_without_a_secret_the_bot_is_told_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOT_WEBHOOK_SECRET", raising=False)

    assert bot_environment(load(), {"PATH": "/bin"}) == {"PATH": "/bin"}
