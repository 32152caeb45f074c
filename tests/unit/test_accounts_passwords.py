"""Test passwords and names: validation, and hashing that does not block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from argon2 import extract_parameters

from deskwire.accounts.passwords import OWASP_COST, HashCost, Hasher, parse_password
from deskwire.accounts.people import normalize_email, parse_email, parse_name
from deskwire.kit.errors import Invalid, RateLimited
from tests.fixtures.accounts import CHEAP_HASHING, PASSWORD


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    made = Hasher(CHEAP_HASHING)
    yield made
    made.close()


@pytest.mark.parametrize("password", ["x" * 10, "x" * 128, "ada@desk.tes1", "пароль из слов"])
def test_a_password_of_10_to_128_characters_is_accepted(password: str) -> None:
    assert parse_password(password, "ada@desk.test") == password


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "at least 10"),
        ("x" * 9, "at least 10"),
        ("x" * 129, "at most 128"),
        ("Ada.Lovelace@Desk.test", "other than your email"),
        ("ADA.LOVELACE", "other than your email"),
    ],
)
def test_other_passwords_are_refused_with_the_rule(password: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence) as refused:
        parse_password(password, "ada.lovelace@desk.test")

    assert list(refused.value.fields) == ["password"]


def test_hashes_have_the_recommended_cost() -> None:
    hasher = Hasher()
    stored = asyncio.run(hasher.hash(PASSWORD))
    hasher.close()

    found = extract_parameters(stored)
    assert (found.memory_cost, found.time_cost, found.parallelism) == (19_456, 2, 1)
    assert HashCost(19_456, 2, 1) == OWASP_COST


async def test_only_the_right_password_matches(hasher: Hasher) -> None:
    stored = await hasher.hash(PASSWORD)

    assert await hasher.verify(stored, PASSWORD)
    assert not await hasher.verify(stored, PASSWORD + " ")


async def test_passwords_match_across_unicode_normal_forms(hasher: Hasher) -> None:
    stored = await hasher.hash("cafe\u0301 au lait")

    assert await hasher.verify(stored, "caf\u00e9 au lait")


async def test_no_password_matches_an_account_without_one(hasher: Hasher) -> None:
    assert not await hasher.verify(None, PASSWORD)


async def test_an_unknown_account_is_verified_against_a_dummy_hash(
    hasher: Hasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def note(stored: str, _password: str) -> bool:
        checked.append(stored)
        return True

    monkeypatch.setattr(hasher, "_matches", note)

    assert not await hasher.verify(None, PASSWORD)

    [stored] = checked
    assert not hasher.needs_rehash(stored)  # the same parameters as anyone's


async def test_a_broken_hash_matches_nothing(hasher: Hasher) -> None:
    assert not await hasher.verify("not a hash", PASSWORD)


async def test_a_hash_with_another_cost_is_outdated(hasher: Hasher) -> None:
    stored = await hasher.hash(PASSWORD)
    dearer = Hasher(HashCost(memory_kib=16, iterations=1, parallelism=1))

    assert dearer.needs_rehash(stored)
    assert not hasher.needs_rehash(stored)
    dearer.close()


async def test_calls_beyond_the_queue_limit_are_refused_and_the_rest_served() -> None:
    hasher = Hasher(CHEAP_HASHING, threads=1, max_queued=1)
    go_on = threading.Event()
    hasher._threads.submit(go_on.wait)  # the one thread is busy

    served = [asyncio.ensure_future(hasher.hash(PASSWORD)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited):
        await hasher.hash(PASSWORD)

    go_on.set()
    assert len(await asyncio.gather(*served)) == 2
    assert await hasher.hash(PASSWORD)
    hasher.close()


async def test_shutdown_does_not_wait_for_queued_passwords() -> None:
    hasher = Hasher(CHEAP_HASHING, threads=1, max_queued=1)
    go_on = threading.Event()
    hasher._threads.submit(go_on.wait)
    queued = asyncio.ensure_future(hasher.hash(PASSWORD))
    await asyncio.sleep(0)
    closing = threading.Thread(target=hasher.close)
    closing.start()

    done, _ = await asyncio.wait([queued], timeout=30)  # before the running call is over
    go_on.set()
    closing.join()
    assert done == {queued}
    assert queued.cancelled()


async def test_a_cancelled_wait_releases_its_slot() -> None:
    hasher = Hasher(CHEAP_HASHING, threads=1, max_queued=0)
    go_on = threading.Event()
    hasher._threads.submit(go_on.wait)

    waiting = asyncio.ensure_future(hasher.hash(PASSWORD))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    go_on.set()
    assert await hasher.hash(PASSWORD)
    hasher.close()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ada@DESK.test\n", "ada@desk.test"),
        ("a\u0301da@example.org", "\u00e1da@example.org"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
    ],
)
def test_an_address_is_normalized(typed: str, kept: str) -> None:
    assert parse_email(typed) == normalize_email(typed) == kept


@pytest.mark.parametrize("typed", ["", "ada", "ada@", "a b@desk.test", "ada@desk.test, bo@x.test"])
def test_an_invalid_address_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match=r"name@example\.org"):
        parse_email(typed)


def test_an_address_with_an_unreachable_ending_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match=r"Addresses ending in \.local can’t receive email"):
        parse_email("me@desk.local")


@pytest.mark.parametrize("typed", ["", "  ", "x" * 81, "Ada\u202eadA", "Ada\x07", "\u2066Ada"])
def test_a_name_with_line_breaks_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="1 to 80"):
        parse_name(typed)


def test_white_space_in_a_name_is_normalized() -> None:
    assert parse_name(" Ada \n  Lovelace ") == "Ada Lovelace"
