"""Test the SMTP URL: accepted settings, and when a password is sent unencrypted."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP

import pytest

from deskwire.kit.errors import Invalid
from deskwire.kit.smtp_url import parse_from_address, parse_smtp_url


def test_a_complete_url_is_parsed() -> None:
    relay = parse_smtp_url("smtp://ada%40desk:p%2Fq@mail.test:2525", "desk@desk.test")

    assert (relay.host, relay.port, relay.implicit_tls) == ("mail.test", 2525, False)
    assert (relay.user, relay.password) == ("ada@desk", "p/q")


@pytest.mark.parametrize(("url", "port"), [("smtp://mail.test", 587), ("smtps://mail.test", 465)])
def test_the_default_port_follows_the_scheme(url: str, port: int) -> None:
    assert parse_smtp_url(url, "").port == port


@pytest.mark.parametrize(
    ("url", "start_tls"),
    [
        ("smtp://u:p@mail.test", True),  # refuses a server that cannot
        ("smtp://mail.test", None),
        ("smtp://u:p@localhost", False),
        ("smtps://u:p@mail.test", False),  # TLS already
    ],
)
def test_a_password_leaves_this_machine_only_over_tls(url: str, start_tls: bool | None) -> None:
    assert parse_smtp_url(url, "").start_tls is start_tls


@pytest.mark.parametrize(
    ("url", "start_tls"),
    [("smtp://mail.test", True), ("smtp://localhost", True), ("smtps://mail.test", False)],
)
def test_required_tls_is_never_skipped(url: str, start_tls: bool) -> None:
    assert replace(parse_smtp_url(url, ""), requires_tls=True).start_tls is start_tls


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "[::1]"])
def test_every_loopback_host_is_local(host: str) -> None:
    assert parse_smtp_url(f"smtp://{host}", "").is_local


@pytest.mark.parametrize(
    "url", ["mail.test", "http://mail.test", "smtp:///", "smtp://h:x", "smtp://h/path"]
)
def test_any_other_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_smtp_url(url, "")

    assert url not in str(refusal.value)


def test_a_password_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(parse_smtp_url("smtp://u:hunter2@mail.test", ""))


@pytest.mark.parametrize("text", ["desk@desk.test", "Our desk <desk@desk.test>"])
def test_the_sender_may_be_an_address_with_or_without_a_name(text: str) -> None:
    assert parse_from_address(text) == text


@pytest.mark.parametrize("text", ["desk", "@desk.test", "desk@", "a@b.test\nBcc: c@d.test"])
def test_an_invalid_sender_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_from_address(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Desk, Inc. <desk@desk.test>", "a comma"),
        ("Support: Desk <desk@desk.test>", ":"),
        ("Desk; Support <desk@desk.test>", ";"),
        ("desk@home <desk@desk.test>", "@"),
        ("Desk [EU] <desk@desk.test>", "["),
    ],
)
def test_a_sender_name_that_needs_quotes_is_refused_with_the_quoted_form(
    text: str, named: str
) -> None:
    with pytest.raises(Invalid, match="put it in double quotes, like") as refusal:
        parse_from_address(text)

    assert f"the name contains {named}: " in str(refusal.value)
    assert "desk.test" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        '"Desk, Inc." <desk@desk.test>',
        "Desk Inc. <desk@desk.test>",
        "Desk (EU) <desk@desk.test>",
        "Zoë O'Neil <desk@desk.test>",
    ],
)
def test_any_other_sender_name_is_sent_unchanged(text: str) -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = parse_from_address(text)

    [sender] = message["From"].addresses
    assert sender.addr_spec == "desk@desk.test"


def test_several_sender_addresses_are_refused() -> None:
    with pytest.raises(Invalid, match="must be one address"):
        parse_from_address("desk@desk.test, eve@desk.test")
