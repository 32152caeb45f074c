"""Test what is said about settings that have no effect, by name and never by value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deskwire.cli.doctor import run_checks
from deskwire.server.setting_warnings import find_foreign_names, find_warnings
from deskwire.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name in Settings.model_fields or name.startswith(("AWS_", "CLERK_", "LINEAR_")):
            monkeypatch.delenv(name)
    return tmp_path


def warnings() -> list[str]:
    return find_warnings(load_settings())


def test_known_settings_give_no_warning(folder: Path) -> None:
    (folder / ".env").write_text("port=8001\nLOG_LEVEL=debug\nexport SIGN_UP='open'\n# PROT=1\n")

    assert warnings() == []
    assert find_foreign_names() == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BOT_WEBOOK_SECRET", "BOT_WEBHOOK_SECRET"),
        ("PROT", "PORT"),
        ("prot", "PORT"),
        ("FILE_URL", "FILES_URL"),
        ("SIGNUP", "SIGN_UP"),
        ("DATABSE_URL", "DATABASE_URL"),
    ],
)
def test_a_misspelt_name_in_a_file_is_named_with_a_suggestion(
    folder: Path, name: str, meant: str
) -> None:
    (folder / ".env.local").write_text(f"{name}=hidden-value\n")

    assert warnings() == [f"{name} in .env.local: did you mean {meant}?"]


def test_names_of_other_programs_in_the_environment_give_no_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROT", "1")
    monkeypatch.setenv("HOSTNAME", "desk")

    assert warnings() == []


def test_names_of_other_programs_in_a_file_are_only_mentioned(folder: Path) -> None:
    (folder / ".env").write_text("COMPOSE_PROJECT_NAME=desk\nPOSTGRES_PASSWORD=hidden-value\n")

    assert warnings() == []
    assert find_foreign_names() == [
        "not settings of Deskwire in .env: COMPOSE_PROJECT_NAME, POSTGRES_PASSWORD"
    ]


def test_settings_of_features_not_yet_built_are_reported_as_without_effect(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("CLERK_SECRET_KEY=sk_hidden\n")
    monkeypatch.setenv("LINEAR_API_KEY", "lin_hidden")

    assert warnings() == [
        "CLERK_SECRET_KEY has no effect: this version does not sign people in through Clerk",
        "LINEAR_API_KEY has no effect: this version does not connect to Linear",
    ]


def test_a_setting_without_its_required_one_is_reported_as_without_effect(folder: Path) -> None:
    (folder / ".env").write_text("MAIL_FROM=desk@desk.test\nSMTP_TLS=offered\n")

    assert warnings() == [
        "MAIL_FROM has no effect without SMTP_URL",
        "SMTP_TLS has no effect without SMTP_URL",
    ]


def test_the_keys_of_a_bucket_are_not_read_from_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("AWS_ACCESS_KEY_ID=hidden\nAWS_REGION=eu-north-1\n")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")

    assert warnings() == ["AWS_ACCESS_KEY_ID is not read from .env: set it in the environment"]
    assert find_foreign_names() == []


def test_possible_parts_of_a_key_are_not_repeated(folder: Path) -> None:
    (folder / ".env").write_text("MIIEvQIBADANBgkqhkiG9w0BAQ==\nsk_live_hidden\nqFzb3RE=\n")

    assert warnings() == []
    assert find_foreign_names() == []


def test_doctor_points_at_a_misspelt_name(folder: Path) -> None:
    (folder / ".env").write_text("BOT_WEBOOK_SECRET=hidden\nPGDATA=/var/lib\n")

    findings = {each.sentence: each.is_ok for each in run_checks(load_settings())}

    assert findings["BOT_WEBOOK_SECRET in .env: did you mean BOT_WEBHOOK_SECRET?"] is False
    assert findings["not settings of Deskwire in .env: PGDATA"] is True
