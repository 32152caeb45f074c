"""Test that IN lists are padded to few lengths, so that few statements are prepared."""

import pytest

from deskwire.kit.db import pad_in_list


@pytest.mark.parametrize(("given", "length"), [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (500, 512)])
def test_values_are_repeated_up_to_a_power_of_two(given: int, length: int) -> None:
    found = pad_in_list(range(given))

    assert len(found) == length
    assert set(found) == set(range(given))
