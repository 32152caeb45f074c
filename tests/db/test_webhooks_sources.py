"""Test the door and the worker with a source that has nothing in common with the bot.

Its bodies have no `event`, and it sends everything again that is not answered with 200.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from deskwire.events.log import append
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.clock import MINUTE
from deskwire.kit.db import Database
from deskwire.webhooks.body_erasure import erase_bodies
from deskwire.webhooks.deliveries import DeliveryRow, deliveries, find_oldest_pending
from deskwire.webhooks.door import Door, Intake
from deskwire.webhooks.source import (
    DeletedTicket,
    Delivery,
    Headers,
    IncomingDelivery,
    Rejection,
    SignatureHeaders,
    UnprocessableDelivery,
    header_values,
)
from deskwire.webhooks.worker import Worker
from tests.fixtures.accounts import NOON
from tests.fixtures.databases import create_database


class ToySource:
    """A tracker of issues: `{"webhook": id, "at": ms, "action": …, "issue": {"key": …}}`."""

    name = "toy"
    path = "/api/webhooks/toy"
    max_body = 500
    max_age = MINUTE
    problem_status = 200

    def __init__(self, secrets: Collection[str] = ("old secret", "new secret")) -> None:
        self._secrets = secrets

    def is_configured(self) -> bool:
        return bool(self._secrets)

    def format_answer(self, status: int, message: str, at: str) -> bytes:
        return json.dumps({"ok": status == 200}).encode()

    def parse_signature_headers(self, headers: Headers, now: int) -> SignatureHeaders | Rejection:
        values = header_values(headers, b"toy-secret")
        return (values[0],) if len(values) == 1 else Rejection(401, "no secret")

    def verify(
        self, signature_headers: SignatureHeaders, body: bytes, now: int
    ) -> IncomingDelivery | Rejection:
        if signature_headers[0].decode() not in self._secrets:
            return Rejection(401, "wrong secret")
        digest = hashlib.sha256(body).hexdigest()
        try:
            fields = json.loads(body)
            id_, at, action = fields["webhook"], fields["at"], fields["action"]
            key = fields["issue"]["key"]
        except (ValueError, KeyError, TypeError):
            problem = "this is no webhook"
            return IncomingDelivery(
                self.name, digest, None, None, now, now, body, problem, None, "parked"
            )
        return IncomingDelivery(self.name, digest, id_, action, at, now, body, None, key)

    def meaning(self, body: Mapping[str, Any]) -> object:
        return [body["action"], body["issue"]]

    def prepare(self, delivery: Delivery) -> str:
        if delivery.body["action"] == "nonsense":
            raise UnprocessableDelivery("nonsense is not applied")
        return str(delivery.body["issue"]["key"])

    def apply(self, tx: Connection, delivery: Delivery, content: str) -> bool:
        event = PersonChanged(actor="toy", person=content, name=content, revision=1)
        append(tx, event, channels=["staff"], cause=delivery.cause)
        return True

    def is_about_deleted_ticket(
        self, tx: Connection, body: bytes, gone: Collection[DeletedTicket] = ()
    ) -> bool:
        return False


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = create_database(tmp_path)
    yield opened
    opened.close()


def make_body(id_: str, at: int, action: str = "created", key: str = "ENG-1") -> bytes:
    return json.dumps({"webhook": id_, "at": at, "action": action, "issue": {"key": key}}).encode()


async def send(db: Database, body: bytes, secret: str = "new secret") -> tuple[int, dict[str, Any]]:
    """Send a webhook to the door; return its status and its answer."""
    sent = list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def collect(message: Any) -> None:
        sent.append(message)

    async def inner(*_: object) -> None:
        raise AssertionError("the door passed it on")

    intake = Intake(db)
    door = Door(inner, [ToySource()], lambda: intake, lambda: NOON)
    scope = {
        "type": "http",
        "method": "POST",
        "path": ToySource.path,
        "headers": [(b"host", b"desk.test"), (b"toy-secret", secret.encode())],
        "client": ("127.0.0.1", 1),
    }
    await door(scope, receive, collect)
    return sent[0]["status"], json.loads(sent[1]["body"])


def work(db: Database) -> list[str]:
    """Let the worker apply everything; return the outcomes."""
    worker = Worker(db, [ToySource()], lambda: NOON)
    return [state for _, state in db.write_sync(worker.apply_pending, 50)]


def read_rows(db: Database) -> list[DeliveryRow]:
    query = select(deliveries).order_by(deliveries.c.id)
    return db.read_sync(lambda tx: list(tx.execute(query)))  # type: ignore[arg-type]


async def test_its_deliveries_are_kept_under_its_key_and_applied(db: Database) -> None:
    assert await send(db, make_body("a", NOON)) == (200, {"ok": True})
    assert await send(db, make_body("b", NOON, key="ENG-2"), "old secret") == (200, {"ok": True})
    assert db.read_sync(find_oldest_pending) == NOON
    assert work(db) == ["done", "done"]
    assert [row.key for row in read_rows(db)] == ["ENG-1", "ENG-2"]
    assert db.read_sync(find_oldest_pending) is None


async def test_a_wrong_secret_is_refused(db: Database) -> None:
    assert await send(db, make_body("a", NOON), "guessed") == (401, {"ok": False})
    assert read_rows(db) == []


async def test_a_proven_body_with_a_problem_is_accepted_and_parked(db: Database) -> None:
    for body in (b"not JSON", b"[]", b'{"webhook": "a"}'):
        assert await send(db, body) == (200, {"ok": True})
    assert [(row.state, row.reasons) for row in read_rows(db)] == [
        ("parked", '["this is no webhook"]')
    ] * 3


async def test_a_body_over_its_limit_is_refused(db: Database) -> None:
    assert (await send(db, make_body("a", NOON, key="x" * 500)))[0] == 413


async def test_the_same_meaning_under_one_id_is_a_repeat(db: Database) -> None:
    for at in (NOON, NOON + 1):
        await send(db, make_body("a", at))
    assert work(db) == ["done", "repeat"]
    await send(db, make_body("a", NOON + 2, action="removed"))
    assert work(db) == ["parked"]
    assert "was used by delivery 1 for another event" in read_rows(db)[2].reasons


async def test_a_repeat_is_recognized_after_its_body_was_erased(db: Database) -> None:
    await send(db, make_body("a", NOON))
    assert work(db) == ["done"]
    db.write_sync(erase_bodies, [1], {"toy": ToySource()})
    assert read_rows(db)[0].body == b""
    await send(db, make_body("a", NOON + 1))
    await send(db, make_body("a", NOON + 2, action="removed"))
    assert work(db) == ["repeat", "parked"]


async def test_what_cannot_be_applied_is_parked_with_its_reason(db: Database) -> None:
    await send(db, make_body("a", NOON, action="nonsense"))
    assert work(db) == ["parked"]
    assert read_rows(db)[0].reasons == '["nonsense is not applied"]'
