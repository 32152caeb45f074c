"""Test the sign-in rate limit: five failures per address, thirty per source, in 15 minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import rate_limit
from deskwire.kit.client_network import network_of
from deskwire.kit.clock import MINUTE, SECOND
from deskwire.kit.db import Database
from deskwire.kit.errors import RateLimited
from tests.fixtures.accounts import NOON, count_failed_sign_ins, dump_database
from tests.fixtures.databases import create_database

ADA = "ada@desk.test"
HERE = "192.0.2.7"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = create_database(tmp_path)
    yield database
    database.close()


def test_the_fifth_attempt_is_allowed_and_the_sixth_refused(db: Database) -> None:
    count_failed_sign_ins(db, 4, at=NOON)
    db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON)

    with pytest.raises(RateLimited):
        db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON)


def test_the_wait_lasts_until_the_oldest_failure_leaves_the_window(db: Database) -> None:
    count_failed_sign_ins(db, 1, at=NOON)
    count_failed_sign_ins(db, 4, at=NOON + 10 * MINUTE)

    with pytest.raises(RateLimited, match="Try again in 5 minutes") as refused:
        db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON + 10 * MINUTE + 1)

    assert refused.value.retry_after == 300


def test_a_failure_counts_for_the_whole_window(db: Database) -> None:
    count_failed_sign_ins(db, 5, at=NOON)

    with pytest.raises(RateLimited) as refused:
        db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON + 15 * MINUTE - 1)

    assert refused.value.retry_after == 1


def test_a_failure_leaves_the_window_after_fifteen_minutes(db: Database) -> None:
    count_failed_sign_ins(db, 5, at=NOON)

    assert db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON + 15 * MINUTE)


def test_waiting_for_retry_after_is_enough(db: Database) -> None:
    count_failed_sign_ins(db, 5, at=NOON + 1)
    with pytest.raises(RateLimited) as refused:
        db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON + 1234)

    later = NOON + 1234 + refused.value.retry_after * SECOND

    assert db.write_sync(rate_limit.count_sign_in, ADA, HERE, later)


def test_a_refused_attempt_does_not_lengthen_the_wait(db: Database) -> None:
    count_failed_sign_ins(db, 5, at=NOON)
    with pytest.raises(RateLimited):
        db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON + 14 * MINUTE)

    assert db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON + 15 * MINUTE)


def test_attempts_for_one_address_are_limited_across_networks(db: Database) -> None:
    for last in range(5):
        count_failed_sign_ins(db, 1, address=f"198.51.100.{last}", at=NOON)

    with pytest.raises(RateLimited):
        db.write_sync(rate_limit.count_sign_in, ADA, "203.0.113.9", NOON)


def test_attempts_from_one_network_are_limited_across_addresses(db: Database) -> None:
    for number in range(30):
        count_failed_sign_ins(db, 1, email=f"guess{number}@desk.test", at=NOON)

    with pytest.raises(RateLimited):
        db.write_sync(rate_limit.count_sign_in, "guess30@desk.test", HERE, NOON)
    assert db.write_sync(rate_limit.count_sign_in, "guess30@desk.test", "203.0.113.9", NOON)


def test_an_ipv6_customer_counts_as_one_network(db: Database) -> None:
    for number in range(30):
        count_failed_sign_ins(
            db, 1, email=f"guess{number}@desk.test", address=f"2001:db8:1:2::{number:x}", at=NOON
        )

    with pytest.raises(RateLimited):
        db.write_sync(rate_limit.count_sign_in, ADA, "2001:db8:1:2:ffff::1", NOON)
    assert db.write_sync(rate_limit.count_sign_in, ADA, "2001:db8:1:3::1", NOON)


def test_success_clears_the_failures_of_the_address_but_not_of_the_network(db: Database) -> None:
    for number in range(26):
        count_failed_sign_ins(db, 1, email=f"guess{number}@desk.test", at=NOON)
    count_failed_sign_ins(db, 3, at=NOON)
    right = db.write_sync(rate_limit.count_sign_in, ADA, HERE, NOON)

    db.write_sync(rate_limit.clear_failures, right, ADA)

    count_failed_sign_ins(db, 5, address="203.0.113.9", at=NOON)  # Ada starts again
    db.write_sync(
        rate_limit.count_sign_in, "one-more@desk.test", HERE, NOON
    )  # 29 stayed, so one is left
    with pytest.raises(RateLimited):
        db.write_sync(rate_limit.count_sign_in, "two-more@desk.test", HERE, NOON)


def test_the_typed_address_is_not_stored(db: Database) -> None:
    db.write_sync(rate_limit.count_sign_in, "my secret passphrase", HERE, NOON)

    assert "passphrase" not in dump_database(db)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix socket", "unix socket"),
        (None, "unknown"),
        ("x" * 200, "x" * 64),
    ],
)
def test_an_ip_address_maps_to_its_network(address: str | None, source: str) -> None:
    assert network_of(address) == source
