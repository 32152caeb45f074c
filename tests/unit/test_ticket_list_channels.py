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


def test_the_listed_ticket_channels_of_a_viewer_are_limited() -> None:
    mark = list_channels(viewer_of(*MINE), HERE, shown("2400", "2401"))

    assert mark[:2] == ["ticket:2400", "ticket:2401"]
    assert len(mark) == 50


def test_the_channels_of_the_workspace_are_always_listed() -> None:
    mark = list_channels(viewer_of(*MINE, "tickets:guild:1", HERE), HERE, shown("0007"))

    assert mark[:3] == [HERE, "tickets:guild:1", "ticket:0007"]


def test_an_empty_list_still_names_channels_of_the_viewer() -> None:
    assert list_channels(viewer_of("ticket:0001"), HERE, []) == ["ticket:0001"]


@pytest.mark.parametrize("elsewhere", ["guild:2", "tickets:guild:2"])
def test_channels_of_other_workspaces_are_not_listed(elsewhere: str) -> None:
    viewer = Viewer("bo", (Grant(elsewhere, "guild:2", "test"),))

    assert list_channels(viewer, HERE, shown("0001")) == []
