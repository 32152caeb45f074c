"""Test that the samples and recordings pass the whole pipeline: verified, stored, applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from deskwire.events.log import log
from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.integrations.discord.samples import EVENT_TYPES, build_sample_data
from deskwire.integrations.discord.sender import build_headers
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.bot_deliveries import (
    NOON,
    SECRET,
    SignedEvent,
    accept_event,
    check_delivery,
    process_deliveries,
    read_outcomes,
    run_and_roll_back,
)
from tests.fixtures.databases import create_database

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings" / "bot").glob("*.json"))


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    db = create_database(tmp_path_factory.mktemp("samples"))
    yield db
    db.close()


def entries(tx: Connection) -> list[tuple[str, dict[str, object]]]:
    rows = tx.execute(select(log.c.type, log.c.data).order_by(log.c.position))
    return [(row.type, json.loads(row.data)) for row in rows]


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_a_sample_is_processed_by_itself(db, type_):
    def live(tx: Connection):
        process_deliveries(
            db, tx, [accept_event(SignedEvent(NOON, type_, build_sample_data(type_)))]
        )
        return read_outcomes(tx), [type_ for type_, _ in entries(tx)]

    assert run_and_roll_back(db, live) == ([("done", "[]")], [type_])


def test_all_samples_are_processed_in_sequence(db):
    def live(tx: Connection):
        events = [
            SignedEvent(NOON + nth, type_, build_sample_data(type_))
            for nth, type_ in enumerate(EVENT_TYPES)
        ]
        process_deliveries(db, tx, map(accept_event, events))
        return read_outcomes(tx), [type_ for type_, _ in entries(tx)]

    assert run_and_roll_back(db, live) == ([("done", "[]")] * len(EVENT_TYPES), list(EVENT_TYPES))


def test_there_is_a_recording_of_every_event_of_the_bot():
    recorded = [path.stem for path in RECORDINGS]

    assert recorded == sorted(PAYLOADS), "tests/recordings/bot holds one TYPE.json for each"


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recording_is_processed_and_its_fields_are_passed_on_unchanged(db, path):
    body = path.read_bytes()
    data = json.loads(body)["event"]["data"]

    def live(tx: Connection):
        arrived = check_delivery(build_headers(SECRET, NOON, body), body, now=NOON)
        assert isinstance(arrived, IncomingDelivery)
        process_deliveries(db, tx, [arrived])
        return read_outcomes(tx), entries(tx)

    states, [(type_, event)] = run_and_roll_back(db, live)
    assert states == [("done", "[]")]
    assert type_ == path.stem
    assert {name: event.get(name) for name in data} == data
