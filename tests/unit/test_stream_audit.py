"""Test the audit of the campaign of streams: it finds each fault in what a stream was sent."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.fixtures.stream_campaign.access_model import AccessModel
from tests.fixtures.stream_campaign.audit import (
    StreamAudit,
    Totals,
    find_lost_writes,
    find_target,
)
from tests.fixtures.stream_campaign.cast import Account, Cast
from tests.fixtures.stream_campaign.reader import (
    AccessChange,
    Connected,
    Record,
    RecordedStream,
    Reset,
    Target,
    Tick,
)

BO = Account("loft wavering", "bo", "", "1")
MINE, LOFT, REQUESTS = "user:bo", "org:loft", "org:loft:1"
NONE, HALF, ALL = frozenset[str](), frozenset({MINE, LOFT}), frozenset({MINE, LOFT, REQUESTS})
GRANTED, REVOKED = AccessChange(ALL - HALF, NONE), AccessChange(NONE, ALL - HALF)
START = Connected("live", 0, HALF, 0)
MAX_BEHIND = 2

# Bo becomes an admin (1), hears a reply (2), loses the role (3), gains it (5) and loses it (8).
ROLES = ("admin", "", "member", "", "admin", "", "", "member", "")
HEARD: Sequence[Record] = (START, 1, GRANTED, 2, 3, REVOKED, 5, GRANTED, 6, 7, 8, REVOKED)


@pytest.fixture
def model() -> AccessModel:
    model = AccessModel(Cast({"loft": "loft"}, viewers=[BO]))
    for number, event in enumerate(ROLES, 1):
        if event:
            data = {"member": {"id": "bo"}, "role": event}
            model.append("member.role_changed", LOFT, [MINE, LOFT, "staff"], data, "")
        else:
            data = {"messageId": f"m{number}", "line": {"kind": "reply"}}
            channels = ["staff", REQUESTS, "ticket:t"]
            model.append("ticket.message_sent", LOFT, channels, data, "t")
    return model


def audit(model: AccessModel, records: Sequence[Record]) -> list[str]:
    stream = RecordedStream(BO, "all", records=[*records])
    return StreamAudit(model, stream, MAX_BEHIND, Totals()).run()


@pytest.mark.parametrize(
    "records",
    [
        HEARD,
        (*HEARD, Tick(9)),
        (*HEARD[:4], Connected("resumed", 2, ALL, 2), *HEARD[4:]),
        # Away while the role was taken and given back: what happened meanwhile may be replayed.
        (*HEARD[:4], Connected("resumed", 2, ALL, 2), 3, 4, 5, 6, 7, 8, REVOKED),
        # Away while the role was taken: what came before that is not replayed any more.
        (START, 1, Connected("resumed", 1, HALF, 1), 3, 5, GRANTED, 6, 7, 8, REVOKED),
        (*HEARD[:7], Connected("reset", 8, ALL, 7), Reset(8), REVOKED),
    ],
)
def test_it_accepts_what_a_stream_may_be_sent(
    model: AccessModel, records: Sequence[Record]
) -> None:
    assert audit(model, records) == []


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ((*HEARD[:9], *HEARD[10:]), "did not hear"),
        ((*HEARD[:8], 7, 6, 8, REVOKED), "heard 6 after 7"),
        ((*HEARD[:4], 2, *HEARD[4:]), "heard 2 after 2"),
        ((*HEARD[:6], 4, *HEARD[6:]), "holding"),
        ((*HEARD[:11], 9), "held"),  # it is not told that the role was lost
        ((*HEARD[:9], Tick(9)), "did not hear"),
        ((*HEARD[:4], Connected("resumed", 1, ALL, 2), *HEARD[4:]), "resumed at 1"),
        ((*HEARD[:11], Connected("resumed", 8, ALL, 8)), "held"),
        ((*HEARD[:7], Connected("resumed", 5, ALL, 8), *HEARD[8:]), "though"),
        ((*HEARD[:9], Connected("reset", 8, HALF, 8), Reset(8)), "which is near"),
        ((*HEARD[:7], Connected("reset", 8, ALL, 7)), "without the announced reset"),
        ((*HEARD, Reset(9)), "without reason"),
        ((*HEARD, 10), "not in the log"),
    ],
)
def test_it_finds_what_a_stream_was_sent_wrongly(
    model: AccessModel, records: Sequence[Record], problem: str
) -> None:
    found = audit(model, records)

    assert any(problem in each for each in found), found


def test_it_finds_writes_that_were_acknowledged_and_lost(model: AccessModel) -> None:
    kept, lost = ("message", "m2"), ("message", "never")

    assert list(find_lost_writes(model, [kept])) == []
    assert [lost[1] in each for each in find_lost_writes(model, [kept, lost])] == [True]


def test_a_stream_is_waited_for_until_the_last_event_of_its_viewer(model: AccessModel) -> None:
    assert find_target(model, RecordedStream(BO, "all")) == Target(8, HALF)
    assert find_target(model, RecordedStream(BO, "guilds")) == Target(8, frozenset({MINE}))
