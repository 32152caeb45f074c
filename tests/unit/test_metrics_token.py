"""Test who may read the metrics: with a token, or from this machine in development."""

from __future__ import annotations

import pytest

from deskwire.settings import InvalidSettings, load_settings
from deskwire.web.metrics_token import MetricsAccess, is_bearer_token, is_direct_loopback

TOKEN = "0123456789abcdef" * 2
DIRECT = ("host", "user-agent", "accept")


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_the_token_is_known_however_the_scheme_is_written(given: str) -> None:
    assert is_bearer_token(given, TOKEN)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        "Bearer \xff",
    ],
)
def test_nothing_else_is_the_token(given: str) -> None:
    assert not is_bearer_token(given, TOKEN)


def test_a_token_in_any_language_is_compared_as_the_bytes_that_were_sent() -> None:
    token = "schlüssel" * 4

    assert is_bearer_token(f"Bearer {token.encode().decode('latin-1')}", token)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1"])
def test_a_program_on_this_machine_is_direct(host: str) -> None:
    assert is_direct_loopback(host, DIRECT)


@pytest.mark.parametrize("host", ["", "testclient", "10.0.0.1", "203.0.113.5", "2001:db8::1"])
def test_others_are_not(host: str) -> None:
    assert not is_direct_loopback(host, DIRECT)


@pytest.mark.parametrize(
    "name", ["forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-proto"]
)
def test_what_came_through_a_proxy_is_not_direct(name: str) -> None:
    assert not is_direct_loopback("127.0.0.1", (*DIRECT, name))


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(MetricsAccess(TOKEN, allows_loopback=True))


def test_a_short_token_is_refused_in_production_and_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "https://desk.example.org")
    monkeypatch.setenv("METRICS_TOKEN", TOKEN[:-1])

    with pytest.raises(InvalidSettings, match="METRICS_TOKEN: shorter than 32") as refused:
        load_settings()

    assert TOKEN[:-1] not in str(refused.value)
