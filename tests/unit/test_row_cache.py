"""Test that a list's row is rendered once, and again when anything it shows has changed."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import Markup

from deskwire.events.types.registry import NamedRef, PrincipalRef, TicketSnapshot
from deskwire.web.rendering.render import EMPTY_STATE
from deskwire.web.rendering.row_cache import cache_rows
from deskwire.web.rendering.time_zones import local_time_text, use_time_zone

NOW = TicketSnapshot(
    id="t1",
    number=1,
    subject="The mast is dark",
    status="new",
    status_label="Submitted",
    opener=PrincipalRef(id="p1", name="Bo"),
    tags=["mast"],
    messages=2,
    opened_at=1_795_000_000_000,
    active_at=1_795_000_000_000,
    href="/requests/t1",
    place=NamedRef(id="o1", name="Quay"),
)
CHANGES: tuple[dict[str, Any], ...] = (
    {"subject": "The mast is lit"},
    {"opener": PrincipalRef(id="p1", name="Bo B.")},
    {"opener": PrincipalRef(id="p1", name="Bo", picture="/avatars/1")},
    {"tags": ["mast", "night"]},
    {"messages": 3},
    {"active_at": 1_795_000_000_001},
    {"place": NamedRef(id="o1", name="Quay & Sons")},
)


class Counted:
    """A macro that counts how often it is rendered."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, state: TicketSnapshot, *more: object) -> Markup:
        self.made += 1
        return Markup("{} {} {}").format(state, more, local_time_text(state.active_at))


@pytest.fixture
def counted_macro() -> Counted:
    return Counted()


def test_the_same_row_is_rendered_once(counted_macro: Counted) -> None:
    row = cache_rows(counted_macro, EMPTY_STATE)

    assert row(NOW, "held", 1, True) == row(NOW.model_copy(), "held", 1, True)
    assert counted_macro.made == 1


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: next(iter(changed)))
def test_a_changed_row_is_rendered_again(counted_macro: Counted, changed: dict[str, Any]) -> None:
    row = cache_rows(counted_macro, EMPTY_STATE)
    row(NOW, "held", 1)

    assert row(NOW.model_copy(update=changed), "held", 1) == Counted()(
        NOW.model_copy(update=changed), "held", 1
    )
    assert counted_macro.made == 2


def test_another_marker_or_time_zone_is_rendered_again(counted_macro: Counted) -> None:
    row = cache_rows(counted_macro, EMPTY_STATE)
    rows = {row(NOW, "held", 1, False), row(NOW, "held", 1, True), row(NOW, "held", 2, False)}
    with use_time_zone("Asia/Tokyo"):
        rows.add(row(NOW, "held", 1, False))

    assert len(rows) == counted_macro.made == 4
    assert "JST" in max(rows, key=lambda each: "JST" in each)
