"""Test that `make run` installs what the configured database and file store need."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

set_up = import_module("scripts.set_up")  # a script: type checkers see it under its own name

POSTGRES, BUCKET = "postgresql://desk:secret@db.test/desk", "s3://files/desk"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The locks that are installed, in a checkout in `tmp_path` without settings."""
    locks = list[str]()
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    for step in ("ensure_venv", "ensure_project", "ensure_frontend"):
        monkeypatch.setattr(set_up, step, lambda: None)
    monkeypatch.setattr(set_up, "ensure_locked", lambda lock, *_implied: locks.append(lock))
    for name in ("DATABASE_URL", "FILES_URL"):
        monkeypatch.delenv(name, raising=False)
    return locks


def test_without_settings_no_optional_package_is_installed(installed: list[str]) -> None:
    set_up.set_up("run")

    assert installed == ["requirements.lock"]


def test_packages_needed_by_the_environment_are_installed(
    installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", POSTGRES)
    monkeypatch.setenv("FILES_URL", BUCKET)

    set_up.set_up("run")

    assert installed == ["requirements.lock", "requirements-postgres.lock", "requirements-s3.lock"]


@pytest.mark.parametrize(
    "line",
    [
        f"DATABASE_URL={POSTGRES}",
        f"export DATABASE_URL = '{POSTGRES}'",
        f'database_url="{POSTGRES}"  # ours',
        "DATABASE_URL=sqlite:///old.db\nDATABASE_URL=postgres://db.test/desk",
    ],
)
def test_packages_needed_by_a_settings_file_are_installed(
    installed: list[str], tmp_path: Path, line: str
) -> None:
    (tmp_path / ".env").write_text(f"# DATABASE_URL=sqlite:///x.db\nPORT=1\n{line}\n")

    set_up.set_up("run")

    assert installed == ["requirements.lock", "requirements-postgres.lock"]


def test_the_environment_takes_precedence_over_both_files(
    installed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={POSTGRES}\nFILES_URL={BUCKET}\n")
    (tmp_path / ".env.local").write_text("FILES_URL=data/files\n")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///desk.db")

    set_up.set_up("run")

    assert installed == ["requirements.lock"]
