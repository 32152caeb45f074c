"""Test the channels by which a list of tickets may be seen, without naming thousands of them."""

from __future__ import annotations

import pytest

from deskwire.events.access import Viewer
from deskwire.events.channels import Grant
from deskwire.events.types.registry import TicketSnapshot
from deskwire.tickets.ticket import Ticket
from deskwire.web.pages.tickets import list_channels

HERE = "guild:1"
MINE = [f"ticket:{number:04}" for number in range(2_500)]


def viewer_of(*channels: str) -> Viewer:
    return Viewer("bo", tuple(Grant(channel, HERE, "test") for channel in channels))


def shown(*ids: str) -> list[Ticket]:
    return [Ticket(id_, HERE, 1, None, TicketSnapshot.model_construct(id=id_)) for id_ in ids]


def test_who_has_thousands_of_tickets_is_not_sent_all_their_names() -> None:
    mark = list_channels(viewer_of(*MINE), HERE, shown("2400", "2401"))

    assert mark[:2] == ["ticket:2400", "ticket:2401"]
    assert len(mark) == 50


def test_the_channels_of_the_workspace_are_never_left_out() -> None:
    mark = list_channels(viewer_of(*MINE, "tickets:guild:1", HERE), HERE, shown("0007"))

    assert mark[:3] == [HERE, "tickets:guild:1", "ticket:0007"]


def test_a_list_that_shows_nothing_is_marked_all_the_same() -> None:
    assert list_channels(viewer_of("ticket:0001"), HERE, []) == ["ticket:0001"]


@pytest.mark.parametrize("elsewhere", ["guild:2", "tickets:guild:2"])
def test_other_workspaces_do_not_show_it(elsewhere: str) -> None:
    viewer = Viewer("bo", (Grant(elsewhere, "guild:2", "test"),))

    assert list_channels(viewer, HERE, shown("0001")) == []
