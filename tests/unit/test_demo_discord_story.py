"""Test the simulator's story: everything happens, is undone again, and nothing grows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from deskwire.demo.cast import (
    DEE,
    DISCORD_LOGINS,
    GUILDS,
    MIRA,
    NIGHT_SHIFT_ROLE,
    NORTHWIND,
    QUILL,
    SEEDED_TICKETS,
    WILLOW_STREET,
    find_role,
)
from deskwire.demo.discord_conversations import (
    NORTHWIND_CONVERSATIONS,
    PIXEL_CONVERSATIONS,
    parse_conversations,
)
from deskwire.demo.discord_story import (
    MAX_BEAT_DELAY,
    MAX_CLOSED_TICKETS,
    MAX_OPEN_TICKETS,
    MIN_BEAT_DELAY,
    Story,
)
from deskwire.demo.discord_story_state import (
    new_story_state,
    new_unsaved_story_state,
    parse_story_state,
)
from deskwire.demo.discord_ticket import CONVERSATIONS, TicketScript
from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.kit.clock import HOUR, MINUTE, SECOND

NOON = 1_795_348_800_000  # ms
SEEDS = range(20)


class StoryRun:
    """A story told to a clock that follows it, with what was told and when."""

    def __init__(self, seed: int = 1, memory=None) -> None:
        self.at = NOON
        self.memory = memory or new_story_state(NOON)
        self.story = Story(Random(seed), lambda: self.at, self.memory)
        self.events: list[tuple[int, str, dict[str, Any]]] = []

    def until(self, end: int) -> StoryRun:
        for _ in self.beats(end):
            pass
        return self

    def beats(self, end: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
        while self.at < end:
            beat = self.story.next_beat()
            self.at += beat.delay
            self.events.append((self.at, beat.type, beat.data))
            yield self.events[-1]


@pytest.fixture(scope="module")
def two_hours_of_beats():
    return StoryRun().until(NOON + 2 * HOUR)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_sixteen_event_types_occur_within_three_minutes(seed):
    story_run = StoryRun(seed).until(NOON + 3 * MINUTE)

    assert {type_ for _, type_, _ in story_run.events} == set(PAYLOADS)


def test_all_sixteen_event_types_keep_occurring():
    story_run = StoryRun().until(NOON + 2 * HOUR)

    late = {type_ for at, type_, _ in story_run.events if at > NOON + 110 * MINUTE}
    assert late == set(PAYLOADS)


def test_every_event_has_a_valid_payload(two_hours_of_beats):
    for _, type_, data in two_hours_of_beats.events:
        assert PAYLOADS[type_].model_validate(data).model_extra == {}
        assert json.loads(json.dumps(data)) == data


@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_event_is_a_new_ticket_where_ada_and_bo_see_it(seed):
    beat = StoryRun(seed).story.next_beat()

    assert beat.delay < SECOND
    assert (beat.type, beat.data["guildId"]) == ("ticket.created", NORTHWIND.id)


def test_beats_have_a_human_pace(two_hours_of_beats):
    times = [at for at, _, _ in two_hours_of_beats.events]
    pauses = [later - at for at, later in pairwise(times)]

    assert min(pauses) >= MIN_BEAT_DELAY
    assert max(pauses) <= MAX_BEAT_DELAY


def test_most_events_are_about_tickets(two_hours_of_beats):
    kinds = Counter(type_.partition(".")[0] for _, type_, _ in two_hours_of_beats.events)

    assert kinds["ticket"] > 0.75 * kinds.total()


def test_tickets_run_from_opening_to_closing(two_hours_of_beats):
    order: dict[int, list[str]] = {}
    for _, type_, data in two_hours_of_beats.events:
        if "ticketId" in data:
            order.setdefault(data["ticketId"], []).append(type_)

    assert len(order) > 100
    for types in order.values():
        assert types[0] == "ticket.created"
        assert types.count("ticket.created") == 1
        assert "ticket.deleted" not in types[:-1]
        assert types.count("ticket.closed") <= 1


def test_the_old_status_of_an_event_is_the_previous_new_one(two_hours_of_beats):
    status: dict[int, str] = {}
    for _, _, data in two_hours_of_beats.events:
        if "newStatus" in data:
            assert data["oldStatus"] == status.get(data["ticketId"], "OPEN")
            status[data["ticketId"]] = data["newStatus"]


def test_open_and_closed_tickets_stay_few(two_hours_of_beats):
    opened, closed = set(), set()
    most = 0
    for _, type_, data in two_hours_of_beats.events:
        ticket = data.get("ticketId")
        if type_ == "ticket.created":
            opened.add(ticket)
        elif type_ == "ticket.closed":
            closed.add(ticket)
        elif type_ == "ticket.deleted":
            opened.discard(ticket)
            closed.discard(ticket)
        most = max(most, len(opened))
        assert len(opened - closed) <= MAX_OPEN_TICKETS + 1, (
            "a mistake may stand beside those running"
        )
        assert len(closed) <= MAX_CLOSED_TICKETS + MAX_OPEN_TICKETS
    assert most <= 60


def test_the_story_deletes_only_its_own_tickets(two_hours_of_beats):
    own = {
        data["ticketId"]
        for _, type_, data in two_hours_of_beats.events
        if type_ == "ticket.created"
    }
    deleted = {
        data["ticketId"] for _, type_, data in two_hours_of_beats.events if "deletedBy" in data
    }

    assert deleted
    assert deleted <= own
    assert min(own) > sum(SEEDED_TICKETS.values()), "the seeded tickets are not its own"


def test_removed_members_and_roles_return_within_two_minutes():
    story_run = StoryRun()
    viewer = find_role(NORTHWIND, "Tickets Viewer")
    absent: dict[str, int] = {}
    for at, type_, data in story_run.beats(NOON + 2 * HOUR):
        match type_, data:
            case "member.left", {"userId": QUILL.id}:
                absent["quill"] = at
            case "team.member_assigned", {"userId": QUILL.id, "roleId": viewer.id}:
                del absent["quill"]
            case "team.member_assigned", {"userId": DEE.id, "roleId": viewer.id}:
                absent["dee"] = at
            case "team.member_unassigned", {"userId": DEE.id, "roleId": viewer.id}:
                del absent["dee"]
            case "guild.joined", {"guildId": WILLOW_STREET.id}:
                absent["lantern"] = at
            case "guild.left", {"guildId": WILLOW_STREET.id}:
                del absent["lantern"]
            case "team.role_created", {"roleId": NIGHT_SHIFT_ROLE.id}:
                absent["night"] = at
            case "team.role_deleted", {"roleId": NIGHT_SHIFT_ROLE.id}:
                del absent["night"]
            case "team.role_updated", {"roleId": role}:
                assert role == NIGHT_SHIFT_ROLE.id
            case (("guild.joined" | "guild.left" | "member.left"), _):
                raise AssertionError(f"{type_} of somebody else: {data}")
        assert all(at - since < 2 * MINUTE for since in absent.values()), absent


def test_dee_has_ticket_access_for_about_a_minute(two_hours_of_beats):
    hers = [
        (at, type_) for at, type_, data in two_hours_of_beats.events if data.get("userId") == DEE.id
    ]

    for (given, _), (taken, _) in zip(hers[::2], hers[1::2], strict=False):
        assert 55 * SECOND < taken - given < 90 * SECOND


def test_ticket_numbers_continue_those_of_the_seed(two_hours_of_beats):
    for guild in GUILDS:
        numbers = [
            data["ticketNumber"]
            for _, type_, data in two_hours_of_beats.events
            if type_ == "ticket.created" and data["guildId"] == guild.id
        ]
        first = SEEDED_TICKETS[guild.id] + 1
        assert numbers == list(range(first, first + len(numbers)))


def test_the_same_seed_gives_the_same_story():
    assert StoryRun(7).until(NOON + HOUR).events == StoryRun(7).until(NOON + HOUR).events
    assert StoryRun(7).until(NOON + HOUR).events != StoryRun(8).until(NOON + HOUR).events


def test_a_story_continues_from_its_saved_state():
    before = StoryRun().until(NOON + 17 * MINUTE)
    restored = parse_story_state(before.memory.to_json())
    assert restored == before.memory

    after = StoryRun(2, restored)
    after.at = before.at
    after.until(before.at + 5 * MINUTE)

    story_run = {data["ticketId"] for _, kind, data in before.events if kind == "ticket.created"}
    opened_again = {data["ticketId"] for _, kind, data in after.events if kind == "ticket.created"}
    assert not story_run & opened_again, "no ticket is opened twice"
    finished = {data["ticketId"] for _, kind, data in after.events if kind == "ticket.closed"}
    assert {each.ticket for each in before.memory.running} <= finished | opened_again


def test_events_due_before_a_long_break_are_sent_first():
    before = StoryRun()
    for _, type_, _ in before.beats(NOON + HOUR):
        if type_ == "guild.joined":
            break
    after = StoryRun(2, parse_story_state(before.memory.to_json()))
    after.at = NOON + 10 * HOUR

    story_run = [after.story.next_beat().type for _ in range(len(after.memory.scheduled))]

    assert {"guild.setup_complete", "guild.left"} <= set(story_run)


def test_numbers_are_not_reused_without_a_saved_state():
    first = StoryRun(1, new_unsaved_story_state(NOON)).until(NOON + HOUR)
    second = new_unsaved_story_state(first.at)

    for guild in GUILDS:
        assert second.numbers[guild.id] >= first.memory.numbers[guild.id]
    assert second.take_ticket_number(NORTHWIND.id, first.at + SECOND)[0] > first.memory.ticket


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"scene": 1}', "null", '{"next_scene": "x"}'])
def test_an_invalid_saved_state_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  json's own and ours are both fine
        parse_story_state(text)


def test_a_conversation_is_parsed_from_its_text():
    [talk] = parse_conversations("# Help | login | high | Done\n> Hi\\n**you**\n< Yes?")

    assert (talk.subject, talk.tag, talk.priority, talk.closing_reason) == (
        "Help",
        "login",
        "high",
        "Done",
    )
    assert talk.lines == (("customer", "Hi\n**you**"), ("staff", "Yes?"))


@pytest.mark.parametrize(
    "talk", [*NORTHWIND_CONVERSATIONS, *PIXEL_CONVERSATIONS], ids=lambda talk: talk.subject
)
def test_every_conversation_can_be_played_to_its_end(talk):
    script = TicketScript(Random(1), NORTHWIND, 1, 1, talk, MIRA, NORTHWIND.staff[0], thorough=True)

    steps = list(script.steps())

    assert [step.type for step in steps].count("ticket.message_sent") == len(talk.lines)
    assert {"ticket.claimed", "ticket.updated", "ticket.status_changed"} <= {
        step.type for step in steps
    }
    assert steps[-1].data["newStatus"] == "CLOSED"
    for step in steps:
        PAYLOADS[step.type].model_validate(step.data_at(NOON))


def test_the_cast_matches_the_printed_logins():
    ids = [each.discord_user.id for each in DISCORD_LOGINS] + [
        user.id for guild in GUILDS for user in guild.staff
    ]
    strangers = {user for guild in GUILDS for user in guild.customers} - {
        login.discord_user for login in DISCORD_LOGINS
    }

    assert all(17 <= len(id_) <= 19 for id_ in ids)
    assert len({login.discord_user.id for login in DISCORD_LOGINS}) == 5
    assert len(strangers) >= 8
    assert set(CONVERSATIONS) == {guild.id for guild in GUILDS} == set(SEEDED_TICKETS)
