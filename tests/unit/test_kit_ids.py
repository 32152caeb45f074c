"""Test ids: they sort by creation time, also within a millisecond."""

from uuid import RFC_4122, UUID

from deskwire.kit.ids import new_id

NOON = 1_795_348_800_000  # ms


def test_ids_sort_in_order_of_creation():
    made = [new_id() for _ in range(5_000)]

    assert made == sorted(set(made))


def test_an_id_is_a_uuid_of_version_7():
    for made in (UUID(new_id()), UUID(new_id(NOON))):
        assert (made.version, made.variant) == (7, RFC_4122)


def test_an_id_for_a_given_time_sorts_by_that_time():
    assert UUID(new_id(NOON)).int >> 80 == NOON
    assert new_id(NOON) < new_id(NOON + 1)
    assert new_id(NOON) != new_id(NOON)


def test_an_id_for_a_future_time_does_not_affect_later_ids():
    new_id(NOON + 10**11)

    assert new_id() < new_id(NOON + 10**11)
