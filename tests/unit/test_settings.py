"""Test the settings: which source wins, what is refused, and that no value is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskwire.settings import MIN_SECRET_LENGTH, InvalidSettings, load_settings

GOOD = "s" * MIN_SECRET_LENGTH


@pytest.fixture(autouse=True)
def an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "BOT_WEBHOOK_SECRET", "PUBLIC_URL", "ENVIRONMENT", "SIGN_UP"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_environment_takes_precedence_over_both_files_and_the_demo(
    an_empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = {"port": 1}
    assert load_settings(demo).port == 1

    (an_empty_folder / ".env").write_text("PORT=2\n")
    assert load_settings(demo).port == 2

    (an_empty_folder / ".env.local").write_text("PORT=3\n")
    assert load_settings(demo).port == 3

    monkeypatch.setenv("PORT", "4")
    assert load_settings(demo).port == 4


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")

    assert load_settings({"port": 5}).port == 5


def test_all_problems_are_reported_at_once_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "ninety")
    monkeypatch.setenv("SIGN_UP", "sometimes")

    with pytest.raises(InvalidSettings) as refused:
        load_settings()

    assert sorted(line.partition(":")[0] for line in refused.value.problems) == ["PORT", "SIGN_UP"]


def test_production_requirements_are_reported_with_all_other_problems(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", "abc")
    monkeypatch.setenv("PORT", "99999")

    with pytest.raises(InvalidSettings) as refused:
        load_settings()

    names = sorted(line.partition(":")[0] for line in refused.value.problems)
    assert names == ["BOT_WEBHOOK_SECRET", "PORT", "PUBLIC_URL"]
    assert "PUBLIC_URL: required in production" in refused.value.problems


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "http://127.0.0.1:8000"), ("::1", "http://[::1]:8000")],
)
def test_the_local_url_can_be_opened_on_this_machine(
    host: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", host)

    assert load_settings().local_url == address


def test_a_value_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "https://desk.example.org")
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", "tiny-secret")

    with pytest.raises(InvalidSettings) as refused:
        load_settings()

    assert "tiny-secret" not in str(refused.value)
    assert "openssl rand -hex 32" in str(refused.value)


@pytest.mark.parametrize(
    "secret", ["your-secret-here", "s" * (MIN_SECRET_LENGTH - 1), "new,old", ","]
)
def test_production_refuses_a_weak_secret(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "https://desk.example.org")
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", secret)

    with pytest.raises(InvalidSettings, match="BOT_WEBHOOK_SECRET"):
        load_settings()


def test_a_secret_that_is_not_valid_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", "\udcff" * MIN_SECRET_LENGTH)

    with pytest.raises(InvalidSettings, match="BOT_WEBHOOK_SECRET: must be text"):
        load_settings()


def test_development_only_warns_of_a_weak_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", "short")

    assert load_settings().weak_secret_warnings


def test_production_needs_a_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")

    with pytest.raises(InvalidSettings, match="PUBLIC_URL"):
        load_settings()


@pytest.mark.parametrize("url", ["desk.example.org", "ftp://x", "https://x/path", "https://"])
def test_a_public_url_is_an_origin(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)

    with pytest.raises(InvalidSettings, match="PUBLIC_URL"):
        load_settings()


OTHER = "o" * MIN_SECRET_LENGTH


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        (GOOD, [GOOD]),
        (f" {GOOD}, {OTHER} ", [GOOD, OTHER, f"{GOOD}, {OTHER}"]),
        (f"{GOOD} {OTHER}", [f"{GOOD} {OTHER}"]),
        (f"ab,{GOOD}", [GOOD, f"ab,{GOOD}"]),
        (f"half of it,{GOOD[:-1]}", [f"half of it,{GOOD[:-1]}"]),
        ("short", ["short"]),
        (" ", []),
    ],
)
def test_a_secret_with_commas_is_valid_as_a_whole_and_in_long_parts(
    text: str, secrets: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", text)

    assert load_settings().bot_secrets == secrets


def test_production_takes_a_long_secret_with_a_comma_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "https://desk.example.org")
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", f"half of it,{GOOD[:-1]}")

    assert load_settings().bot_secrets
    assert load_settings().has_short_secret_part


def test_secrets_are_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", GOOD)

    assert GOOD not in repr(load_settings())


def test_mail_needs_a_sender_and_an_address_for_its_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_URL", "smtp://user:hunter2@mail.test")

    with pytest.raises(InvalidSettings) as refused:
        load_settings()

    assert [line for line in refused.value.problems if "hunter2" in line] == []
    assert "SMTP_URL: needs PUBLIC_URL, for the links in mail" in refused.value.problems
    monkeypatch.setenv("PUBLIC_URL", "https://desk.test")
    with pytest.raises(InvalidSettings, match="MAIL_FROM: required with SMTP_URL"):
        load_settings()
    monkeypatch.setenv("MAIL_FROM", "Desk <desk@desk.test>")
    relay = load_settings().smtp_server
    assert relay is not None
    assert (relay.host, relay.port, relay.from_address) == (
        "mail.test",
        587,
        "Desk <desk@desk.test>",
    )


def test_without_an_smtp_url_there_is_no_mail_server() -> None:
    assert load_settings().smtp_server is None


@pytest.mark.parametrize(
    ("environment", "host", "smtp_tls", "start_tls"),
    [
        ("production", "mail.test", "", True),
        ("production", "mail.test", "offered", None),
        ("production", "127.0.0.1", "", False),
        ("production", "127.0.0.1", "required", True),
        ("development", "mail.test", "", None),
        ("development", "mail.test", "required", True),
    ],
)
def test_production_sends_mail_without_tls_only_if_configured(
    environment: str,
    host: str,
    smtp_tls: str,
    start_tls: bool | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("PUBLIC_URL", "https://desk.test")
    monkeypatch.setenv("SMTP_URL", f"smtp://{host}")
    monkeypatch.setenv("SMTP_TLS", smtp_tls)
    monkeypatch.setenv("MAIL_FROM", "desk@desk.test")

    server = load_settings().smtp_server

    assert server is not None
    assert server.start_tls is start_tls


@pytest.mark.parametrize("url", ["http://hunter2", "smtp://u:hunter2@h:port"])
def test_an_invalid_smtp_url_is_refused_without_being_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://desk.test")
    monkeypatch.setenv("SMTP_URL", url)

    with pytest.raises(InvalidSettings) as refused:
        load_settings()

    assert refused.value.problems[0].startswith("SMTP_URL: ")
    assert "hunter2" not in str(refused.value)


def test_a_language_without_a_catalog_is_refused_with_the_available_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DESK_LANGUAGE", "tlh")

    with pytest.raises(
        InvalidSettings, match="DESK_LANGUAGE: has no catalog; choose one of: de, en"
    ):
        load_settings()


def test_the_desktops_language_variable_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANGUAGE", "fr_FR:fr")

    assert load_settings().desk_language == "en"


def test_origins_are_normalized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://Status.example.org:443, http://localhost:3000")

    origins = load_settings().cors_origin_list

    assert origins == ("https://status.example.org", "http://localhost:3000")


@pytest.mark.parametrize("origins", ["*", "https://*.example.org", "status.example.org", "null"])
def test_what_is_no_origin_is_refused_with_an_example(
    origins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", origins)

    with pytest.raises(InvalidSettings, match=r"^CORS_ORIGINS: must be .*https://status\."):
        load_settings()
