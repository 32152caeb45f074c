"""Test the sentences of the activity feed for every event."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE, PrincipalRef
from deskwire.web.rendering.activity_text import (
    EVENT_DESCRIBERS,
    build_activity,
    describe_activity,
    principals_in,
)

NOW = {"number": 7, "subject": "Stuck", "href": "/guilds/1/tickets/7", "statusLabel": "Reviewing"}
HEARD = frozenset({"guild:1", "tickets:guild:1"})


def test_every_stored_event_has_a_sentence() -> None:
    assert set(EVENT_DESCRIBERS) == set(EVENT_CLASS_BY_TYPE), (
        "add the type to web/rendering/activity_text.py"
    )


def test_a_status_change_uses_the_label_shown_on_screen() -> None:
    data = {"now": NOW, "newStatus": "OPEN", "reason": "look %(who)s"}
    (sentence,) = build_activity(
        [entry(1, "ticket.status_changed", actor="bot", **data)], {}, HEARD
    )

    assert sentence.text == "The bot moved #7 Stuck to Reviewing – look %(who)s"
    assert [part.kind for part in sentence.segments] == ["who", "text", "what", "text"]


def test_an_event_without_a_sentence_is_shown_by_its_type() -> None:
    assert describe_activity("panel.shown_again", {}).values == {"did": "panel shown again"}


def test_the_subject_of_a_deleted_ticket_is_not_sent() -> None:
    entries = [
        entry(3, "ticket.deleted", ticket="t", now=NOW, actor="discord:1"),
        entry(2, "ticket.claimed", ticket="t", now=NOW, actor="discord:1"),
        entry(1, "ticket.claimed", ticket="u", now=NOW, actor="discord:1"),
    ]

    actions = build_activity(entries, {}, HEARD)

    assert [sentence.position for sentence in actions] == [3, 1]
    assert "Stuck" not in actions[0].text


def test_messages_of_a_deleted_organization_are_not_sent() -> None:
    fields = {"ticket": "t", "now": NOW, "actor": "discord:1"}
    entries = [
        entry(3, "organization.deleted", name="The Quay", actor="discord:1", workspace="org:1"),
        entry(2, "ticket.claimed", **fields, workspace="org:1"),
        entry(1, "ticket.claimed", **fields, workspace="org:2"),
    ]

    assert [sentence.position for sentence in build_activity(entries, {}, HEARD)] == [3, 1]


def test_actors_are_named_if_known() -> None:
    names = {"discord:1": PrincipalRef(id="discord:1", name="Ada")}
    entries = [
        entry(3, "ticket.claimed", now=NOW, actor="discord:1"),
        entry(2, "ticket.claimed", now=NOW, actor="discord:90002"),
        entry(1, "guild.left", actor="bot"),
    ]

    who = [sentence.who for sentence in build_activity(entries, names, HEARD)]

    assert who == ["Ada", "Discord user …0002", "The bot"]


def test_events_of_requests_use_the_labels_shown_on_screen() -> None:
    now = {**NOW, "reference": "2026-R-000007", "status": "canceled", "statusLabel": "CANCELED"}
    changes = {
        "priority": {"old": None, "new": "high"},
        "category": {"old": "Masts", "new": None},
        "tags": {"added": ["night"], "removed": []},
    }
    entries = [
        entry(5, "ticket.closed", actor="bot", now=now, newStatus="CLOSED"),
        entry(4, "ticket.closed", actor="bot", now={**now, "status": "done"}, reason="Solved"),
        entry(3, "ticket.updated", actor="bot", now=now, changes=changes),
        entry(2, "ticket.updated", actor="bot", now=now, changes={}),
        entry(1, "ticket.updated", actor="bot", now=NOW, changes={"priority": {"new": "high"}}),
    ]

    sentences = [
        sentence.text.removeprefix("The bot ") for sentence in build_activity(entries, {}, HEARD)
    ]

    assert sentences == [
        "moved 2026-R-000007 Stuck to Canceled",
        "moved 2026-R-000007 Stuck to Completed – Solved",
        "updated 2026-R-000007 Stuck – removed the category, set the priority to High, "
        "added the label “night”",
        "updated 2026-R-000007 Stuck",
        "updated #7 Stuck – set the priority to “High”",
    ]


def test_people_are_shown_by_their_current_names() -> None:
    former = PrincipalRef(id="n", name="Former member")
    names = {"n": former, "c": PrincipalRef(id="c", name="Clara")}
    nina, organization = {"id": "n", "name": "Nina New"}, {"name": "Acme"}
    now = {**NOW, "assignee": nina}
    entries = [
        entry(5, "member.removed", member=nina, place=organization, actor="n"),
        entry(4, "member.removed", member=nina, place=organization, actor="c"),
        entry(3, "member.role_changed", member=nina, role="manager", permissions=[], actor="c"),
        entry(2, "ticket.assigned", now=now, actor="c"),
        entry(1, "ticket.participant_added", now=NOW, participant=nina, actor="c"),
    ]

    sentences = [sentence.text for sentence in build_activity(entries, names, HEARD)]

    assert {who for each in entries for who in principals_in(each.data)} == {"n", "c"}
    assert sentences == [
        "Former member left Acme",
        "Clara removed Former member from Acme",
        "Clara changed the role of Former member to manager",
        "Clara assigned #7 Stuck to Former member",
        "Clara added Former member as a watcher to #7 Stuck",
    ]


def test_an_activity_entry_has_the_viewers_channels_only() -> None:
    (sentence,) = build_activity([entry(1, "guild.left", actor="bot")], {}, frozenset({"guild:1"}))

    assert sentence.channels == "guild:1"


def entry(position: int, type_: str, **data: Any) -> SimpleNamespace:
    """A row of the log; its channels are a guild, its ticket readers and someone else."""
    channels = json.dumps(["user:somebody", "guild:1", "tickets:guild:1"])
    return SimpleNamespace(
        position=position, type=type_, data=json.dumps(data), at=0, channels=channels
    )


def test_a_note_is_described_as_one_with_its_time() -> None:
    line = {"kind": "note", "at": 4}
    fields = entry(9, "ticket.message_sent", now=NOW, line=line, actor="bot")

    (sentence,) = build_activity([fields], {}, HEARD)

    assert (sentence.text, sentence.at) == ("The bot wrote a note in #7 Stuck", 4)
