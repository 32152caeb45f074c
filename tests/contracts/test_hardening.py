"""Test one attack each; attacks tested elsewhere are named, the others follow below."""

from __future__ import annotations

import ast
import json
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from sqlalchemy import select

from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame
from deskwire.events.log import log
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.integrations.discord.sender import build_envelope, build_headers
from deskwire.integrations.discord.signature import WEBHOOK_PATH
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.clock import now
from deskwire.server.app import Application
from deskwire.server.database_lock import DatabaseLock
from deskwire.server.open_database import open_database
from deskwire.server.serve import _create_uvicorn_config as server_config
from deskwire.settings import load_settings
from deskwire.tickets.markdown import render_markdown
from deskwire.webhooks import door as door_module
from deskwire.webhooks.deliveries import deliveries
from deskwire.webhooks.door import Door, Intake
from tests.contracts.account_attacks import ACCOUNT_ATTACKS
from tests.contracts.api_attacks import API_ATTACKS
from tests.contracts.portal_attacks import PORTAL_ATTACKS
from tests.contracts.source_files import REPOSITORY_ROOT, iter_functions
from tests.fixtures.bot_deliveries import SECRET
from tests.fixtures.cast import ATTIC_GUILD, BO, HARBOUR_GUILD, DeskFixture, create_desk
from tests.fixtures.databases import create_database

TESTED_ELSEWHERE = {
    **ACCOUNT_ATTACKS,
    **PORTAL_ATTACKS,
    **API_ATTACKS,
    # The door for webhooks
    "a forged body": "unit/test_discord_source.py::test_a_tampered_body_is_refused",
    "a signature in a form that another parser would take": (
        "unit/test_discord_source.py::test_a_signature_in_another_form_is_refused"
    ),
    "an old delivery played again, or one from the future": (
        "unit/test_discord_source.py::test_timestamps_within_five_minutes_are_accepted"
    ),
    "the same delivery again": (
        "db/test_discord_convergence.py::test_repeated_events_change_nothing"
    ),
    "another event under a known id": (
        "db/test_discord_convergence.py::test_a_repeated_id_with_a_different_event_is_parked"
    ),
    "JSON made to break parsers": ("unit/test_discord_source.py::test_invalid_json_is_reported"),
    # The figures
    "reading how busy a desk is": (
        "http/test_metrics.py::test_a_request_without_the_token_is_told_what_to_send"
    ),
    "reading it through the proxy on the same machine": (
        "http/test_metrics.py::test_in_production_metrics_are_off_without_a_token"
    ),
    "calling oneself near with a header": (
        "http/test_metrics.py::test_without_a_configured_token_only_direct_local_requests_are_answered"
    ),
    # The door for people
    "guessing one person's password": (
        "db/test_accounts_rate_limit.py::test_the_fifth_attempt_is_allowed_and_the_sixth_refused"
    ),
    "guessing from many places": (
        "db/test_accounts_rate_limit.py::test_attempts_for_one_address_are_limited_across_networks"
    ),
    "guessing many people's passwords": (
        "db/test_accounts_rate_limit.py::test_attempts_from_one_network_are_limited_across_addresses"
    ),
    "guessing from a whole IPv6 network": (
        "db/test_accounts_rate_limit.py::test_an_ipv6_customer_counts_as_one_network"
    ),
    "asking who has an account": (
        "db/test_auth_sign_in.py::test_unknown_and_wrong_are_answered_alike"
    ),
    "telling it by the clock": (
        "unit/test_accounts_passwords.py::test_an_unknown_account_is_verified_against_a_dummy_hash"
    ),
    "a session planted before sign-in": (
        "db/test_auth_sign_in.py::test_signing_in_replaces_a_planted_session"
    ),
    "a password stolen and since changed": (
        "db/test_accounts_authentication.py::test_an_old_password_is_refused_if_changed_meanwhile"
    ),
    "a link used twice": (
        "db/test_accounts_links.py::test_of_eight_concurrent_redemptions_one_succeeds"
    ),
    "a link read from a Referer": (
        "db/test_auth_pages.py::test_no_referer_contains_the_token_of_a_welcome_link"
    ),
    "a form posted by another site": (
        "unit/test_middleware.py::test_only_same_origin_pages_may_make_changes"
    ),
    "a way back that leads elsewhere": (
        "db/test_auth_sign_in.py::test_any_other_redirect_leads_to_the_home_page"
    ),
    "a name that turns the text around it": (
        "unit/test_accounts_passwords.py::test_a_name_with_line_breaks_is_refused"
    ),
    "a form of many megabytes": (
        "unit/test_middleware.py::test_a_body_without_a_length_is_counted_while_it_is_read"
    ),
    # Pages
    "the address of somebody else's ticket": (
        "http/test_page_visibility.py::test_forbidden_and_missing_are_answered_with_the_same_bytes"
    ),
    "learning from refusals that something happened": (
        "http/test_page_visibility.py::test_a_not_found_page_does_not_change_with_hidden_activity"
    ),
    "markup in names, subjects and messages": (
        "http/test_escaping.py::test_markup_in_subjects_names_tags_and_messages_is_escaped"
    ),
    "a search that is a query": (
        "http/test_escaping.py::test_no_search_text_breaks_the_list_or_finds_too_much"
    ),
    "a script that got in all the same": (
        "http/test_escaping.py::test_pages_carry_no_inline_script_style_or_handler"
    ),
    "a page in somebody else's frame": (
        "unit/test_middleware.py::test_every_response_has_the_security_headers"
    ),
    "a file outside the static folder": (
        "http/test_routes.py::test_static_files_are_immutable_only_under_their_hashed_url"
    ),
    # Streams
    "a stream without a session": (
        "http/live/test_endpoint.py::test_without_a_session_there_is_no_stream"
    ),
    "a cookie that was made up": (
        "http/live/test_endpoint.py::test_an_unknown_cookie_opens_no_stream"
    ),
    "listening on after losing a role": (
        "http/live/test_access_changes.py::test_a_person_who_loses_a_role_hears_that_last"
    ),
    "listening on after signing out": (
        "http/live/test_stream_endings.py::test_signing_out_ends_every_stream_of_the_session_and_no_other"
    ),
    "a cursor collected while still a member": (
        "unit/test_hub.py::test_a_replay_is_filtered_by_current_permissions"
    ),
    "a cursor that was made up": (
        "http/live/test_replay.py"
        "::test_an_unknown_cursor_is_answered_with_the_position_to_continue_from"
    ),
    "any interleaving of the above": (
        "unit/test_hub_random_histories.py::test_no_random_history_leaks_or_withholds_an_event"
    ),
    "streams without end": (
        "http/live/test_stream_endings.py::test_the_oldest_of_too_many_streams_is_closed_with_a_reason"
    ),
    "a reader who does not read": (
        "http/test_slow_subscriptions.py"
        "::test_a_client_that_falls_out_of_the_buffer_is_disconnected_and_told_why"
    ),
    # Secrets
    "a stolen database: sessions": (
        "db/test_accounts_sessions.py::test_a_token_is_neither_stored_nor_in_a_repr"
    ),
    "a stolen database: links": (
        "db/test_accounts_links.py::test_the_secret_of_a_link_is_not_stored"
    ),
    "a stolen log": "unit/test_middleware.py::test_the_token_of_a_link_is_not_logged",
    "an error that shows settings": "unit/test_settings.py::test_a_value_is_never_repeated",
    "commands from another program on this machine": (
        "http/test_cli.py::test_a_local_program_without_the_secret_cannot_give_commands"
    ),
}


@pytest.mark.parametrize("attack", TESTED_ELSEWHERE)
def test_every_attack_has_an_existing_test(attack: str) -> None:
    path, _, name = TESTED_ELSEWHERE[attack].partition("::")
    tree = ast.parse((REPOSITORY_ROOT / "tests" / path).read_text(encoding="utf-8"))

    assert name in {function.name for function in iter_functions(tree)}, (
        f"against “{attack}” there is no {name} in tests/{path} any more: name its new test here"
    )


class DoorFixture:
    """The door of a desk, and what was kept behind it."""

    def __init__(
        self,
        folder: Path,
        secrets: tuple[str, ...] = (SECRET,),
        body_timeout: float = door_module.BODY_TIMEOUT,
    ) -> None:
        self.db = create_database(folder)
        intake = Intake(self.db, lambda: None)
        self.asgi = Door(
            nothing_there, [BotSource(secrets)], lambda: intake, body_timeout=body_timeout
        )

    async def post(self, body: Any, sent: dict[str, str]) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://desk.test") as client:
            return await client.post(WEBHOOK_PATH, content=body, headers=sent)

    def kept(self) -> int:
        return self.db.read_sync(lambda tx: len(tx.execute(select(deliveries.c.id)).all()))


@pytest.fixture
def door_fixture(tmp_path: Path) -> Iterator[DoorFixture]:
    found = DoorFixture(tmp_path)
    yield found
    found.db.close()


async def test_a_signed_body_of_many_megabytes_is_not_read(door_fixture: DoorFixture) -> None:
    body = build_envelope("guild.left", {"guildId": "1", "more": "x" * BotSource.max_body}, now())

    answer = await door_fixture.post(body, build_headers(SECRET, now(), body))

    assert (answer.status_code, door_fixture.kept()) == (413, 0)


async def test_an_endless_body_is_cut_off(tmp_path: Path) -> None:
    gate = DoorFixture(tmp_path, body_timeout=0.05)

    async def trickle() -> Any:
        yield b"{"
        await anyio.sleep_forever()

    answer = await gate.post(trickle(), build_headers(SECRET, now(), b"{"))

    assert (answer.status_code, gate.kept()) == (408, 0)
    gate.db.close()


async def test_without_a_secret_every_delivery_is_refused(tmp_path: Path) -> None:
    gate = DoorFixture(tmp_path, secrets=())
    body = build_envelope("guild.left", {"guildId": "1"}, now())

    answer = await gate.post(body, build_headers("", now(), body))

    assert (answer.status_code, gate.kept()) == (503, 0)
    assert int(answer.headers["retry-after"]) > 0
    gate.db.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskFixture]:
    built = create_desk(tmp_path)
    yield built
    built.db.close()


def newest(desk: DeskFixture) -> tuple[list[str], dict[str, Any]]:
    """Channels and data of the newest event."""
    chosen = select(log.c.channels, log.c.data).order_by(log.c.position.desc()).limit(1)
    row = desk.db.read_sync(lambda tx: tx.execute(chosen).one())
    return json.loads(row.channels), json.loads(row.data)


def test_a_ticket_id_of_one_server_is_unknown_in_another(desk: DeskFixture) -> None:
    desk.open_ticket(1, "The crane is stuck")
    theirs = newest(desk)[1]["ticket"]

    desk.close_ticket(1, guild=ATTIC_GUILD)

    data = newest(desk)[1]
    assert data["ticket"] != theirs
    assert data["workspace"] == f"guild:{ATTIC_GUILD}"


def test_a_sender_cannot_set_internal_fields(desk: DeskFixture) -> None:
    desk.open_ticket(1, "The crane is stuck")
    real = newest(desk)[1]["ticket"]
    forged = {
        "workspace": f"guild:{ATTIC_GUILD}",
        "actor": desk.person_id(BO),
        "ticket": "somebody-elses",
        "revision": 10**9,
        "now": {"subject": "<script>alert(1)</script>"},
        "line": {"html": "<script>alert(1)</script>"},
        "channels": ["staff"],
    }

    data = build_sample_data("ticket.message_sent", guild=HARBOUR_GUILD, ticket=1001, number=1)
    desk.send_event("ticket.message_sent", **{**data, **forged})

    channels, event_data = newest(desk)
    assert channels == [f"tickets:guild:{HARBOUR_GUILD}", f"ticket:{real}"]
    assert (event_data["ticket"], event_data["workspace"]) == (real, f"guild:{HARBOUR_GUILD}")
    assert event_data["revision"] < 10
    assert event_data["actor"] == f"discord:{data['authorId']}"
    assert "<script" not in json.dumps([event_data["now"], event_data["line"]])


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&#58;alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "![a](https://tracker.test/pixel.png)",
        '<a href="x" style="position:fixed">a</a>',
        "<svg><animate onbegin=alert(1)>",
        "```\n</code></pre><script>alert(1)</script>\n```",
        "| a |\n|---|\n| <iframe src=x> |",
    ],
)
def test_no_text_becomes_a_script_style_or_remote_image(text: str) -> None:
    seen = Elements()
    seen.feed(render_markdown(text))

    assert {tag for tag, _ in seen.found} <= {"p", "a", "pre", "code"} | TABLE
    for _, attributes in seen.found:
        assert attributes.keys() <= {"href", "rel", "title"}
        assert attributes.get("href", "https:").startswith(("https:", "http:", "mailto:"))


TABLE = {"table", "thead", "tbody", "tr", "th", "td"}


class Elements(HTMLParser):
    """What a browser would make of a text: its elements with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\n", "\u2028", "\x85", "\x0b", "\x00"])
def test_no_text_can_end_its_frame(end: str) -> None:
    data = json.dumps({"subject": f"a{end}event: goodbye{end}data: x{end}{end}"})

    frame = event_frame(Cursor("0123abcd", 1), "ticket.created", data, 1)

    assert frame.endswith(b"\n\n")
    assert len(frame.decode().splitlines()) == 3  # id, data, and the end of the frame


def test_a_log_entry_is_stored_on_one_line(desk: DeskFixture) -> None:
    desk.open_ticket(1, "One\nline\r\n\r\nevent: goodbye\u2028end")

    chosen = select(log.c.data).order_by(log.c.position.desc()).limit(1)
    stored = desk.db.read_sync(lambda tx: tx.execute(chosen).scalar_one())

    assert not set("\n\r") & set(stored)


def test_forwarded_addresses_are_ignored_unless_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUSTED_PROXIES", raising=False)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'desk.db'}")
    settings = load_settings()
    opened = open_database(settings.database_url)

    application = Application(settings, opened)
    config = server_config(settings, application)
    opened.close()

    assert not config.proxy_headers
    assert "127.0.0.1" not in application.asgi._believing.trusted_hosts


def test_the_secret_of_the_control_socket_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    lock = DatabaseLock(tmp_path / "desk.db")
    lock.acquire()
    lock.write_address({"secret": "s"})

    mode = stat.S_IMODE(lock.path.stat().st_mode)
    lock.release()

    assert mode == 0o600
    assert lock.path.read_text() == ""


async def nothing_there(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("the door passed a webhook on")
