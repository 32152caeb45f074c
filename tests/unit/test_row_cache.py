"""A list's row is rendered once for all it is made of, and again when any of that is another."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import Markup

from deskwire.events.types.registry import Named, TicketNow, Who
from deskwire.web.rendering.render import EMPTY
from deskwire.web.rendering.row_cache import kept
from deskwire.web.rendering.time_zones import local, times_in

NOW = TicketNow(
    id="t1",
    number=1,
    subject="The mast is dark",
    status="new",
    status_label="Submitted",
    opener=Who(id="p1", name="Bo"),
    tags=["mast"],
    messages=2,
    opened_at=1_795_000_000_000,
    active_at=1_795_000_000_000,
    href="/requests/t1",
    place=Named(id="o1", name="Quay"),
)
CHANGES: tuple[dict[str, Any], ...] = (
    {"subject": "The mast is lit"},
    {"opener": Who(id="p1", name="Bo B.")},
    {"opener": Who(id="p1", name="Bo", picture="/avatars/1")},
    {"tags": ["mast", "night"]},
    {"messages": 3},
    {"active_at": 1_795_000_000_001},
    {"place": Named(id="o1", name="Quay & Sons")},
)


class Counted:
    """A macro that counts how often it is rendered."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, state: TicketNow, *more: object) -> Markup:
        self.made += 1
        return Markup("{} {} {}").format(state, more, local(state.active_at))


@pytest.fixture
def macro() -> Counted:
    return Counted()


def test_the_same_row_is_rendered_once(macro: Counted) -> None:
    row = kept(macro, EMPTY)

    assert row(NOW, "held", 1, True) == row(NOW.model_copy(), "held", 1, True)
    assert macro.made == 1


@pytest.mark.parametrize("changed", CHANGES, ids=lambda changed: next(iter(changed)))
def test_another_state_is_another_row(macro: Counted, changed: dict[str, Any]) -> None:
    row = kept(macro, EMPTY)
    row(NOW, "held", 1)

    assert row(NOW.model_copy(update=changed), "held", 1) == Counted()(
        NOW.model_copy(update=changed), "held", 1
    )
    assert macro.made == 2


def test_so_is_another_mark_and_another_zone(macro: Counted) -> None:
    row = kept(macro, EMPTY)
    rows = {row(NOW, "held", 1, False), row(NOW, "held", 1, True), row(NOW, "held", 2, False)}
    with times_in("Asia/Tokyo"):
        rows.add(row(NOW, "held", 1, False))

    assert len(rows) == macro.made == 4
    assert "JST" in max(rows, key=lambda each: "JST" in each)
