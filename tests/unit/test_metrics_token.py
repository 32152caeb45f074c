"""Test the token that opens the metrics."""

from __future__ import annotations

import pytest

from deskwire.settings import InvalidSettings, load_settings
from deskwire.web.metrics_token import MetricsAccess, is_bearer_token

TOKEN = "0123456789abcdef" * 2


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_the_scheme_of_the_token_is_case_insensitive(given: str) -> None:
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
def test_any_other_authorization_is_refused(given: str) -> None:
    assert not is_bearer_token(given, TOKEN)


def test_a_non_ascii_token_is_compared_as_bytes() -> None:
    token = "schlüssel" * 4

    assert is_bearer_token(f"Bearer {token.encode().decode('latin-1')}", token)


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(MetricsAccess(TOKEN, admitted=None))


def test_a_short_token_is_refused_in_production_and_not_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "https://desk.example.org")
    monkeypatch.setenv("METRICS_TOKEN", TOKEN[:-1])

    with pytest.raises(InvalidSettings, match="METRICS_TOKEN: shorter than 32") as refused:
        load_settings()

    assert TOKEN[:-1] not in str(refused.value)
