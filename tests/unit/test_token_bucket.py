"""Test the token buckets, which limit how fast a person may write."""

from __future__ import annotations

from deskwire.kit import token_bucket
from deskwire.kit.token_bucket import TokenBuckets


class FakeClock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_is_empty_after_its_capacity_and_fills_at_its_rate() -> None:
    clock = FakeClock()
    buckets = TokenBuckets(100, 10, clock)

    assert [buckets.take("ada", 50), buckets.take("ada", 50)] == [0, 0]
    assert buckets.take("ada", 20) == 2.0
    clock.seconds += 2
    assert buckets.take("ada", 20) == 0
    assert buckets.take("ada", 1) > 0


def test_each_key_has_a_bucket_of_its_own() -> None:
    buckets = TokenBuckets(100, 10, FakeClock())

    assert [buckets.take(key, 100) for key in ("ada", "bo")] == [0, 0]


def test_a_cost_above_the_capacity_takes_a_whole_bucket() -> None:
    clock = FakeClock()
    buckets = TokenBuckets(100, 10, clock)

    assert buckets.take("ada", 500) == 0
    assert buckets.take("ada", 100) == 10.0


def test_full_buckets_are_forgotten_when_there_are_too_many(monkeypatch) -> None:
    monkeypatch.setattr(token_bucket, "MAX_BUCKETS", 3)
    clock = FakeClock()
    buckets = TokenBuckets(100, 10, clock)
    for key in ("a", "b", "c"):
        buckets.take(key, 10)

    clock.seconds += 1
    buckets.take("d", 10)

    assert buckets._full_at.keys() == {"d"}
