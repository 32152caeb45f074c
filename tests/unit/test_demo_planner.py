"""Test the planner of the demo: all moves are permitted, requests end, nothing piles up."""

from __future__ import annotations

from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from deskwire.demo import attachments
from deskwire.demo.cast import CLIENTS, TEAM, VISITOR_USERNAMES
from deskwire.demo.planner import (
    DELETE_ACTION,
    MAX_ENDED_REQUESTS,
    MAX_OPEN_REQUESTS,
    MAX_PAUSE,
    MIN_PAUSE,
    Move,
    Plan,
    Planner,
    parse_plan,
)
from deskwire.demo.portal_history import PORTAL_HISTORY
from deskwire.demo.scenarios import SCENARIOS
from deskwire.demo.seed_portal import HISTORY_LENGTH
from deskwire.demo.tickets import Action, RequestScript, parse_requests
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, Grant
from deskwire.kit.clock import DAY, HOUR
from deskwire.tickets.field_changes import transition_refusal
from deskwire.tickets.files.content_types import detect_type
from deskwire.tickets.priorities import PRIORITY_LABELS
from deskwire.tickets.statuses import ENDED_STATUSES, STATUSES
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.permissions import (
    ROLE_LABELS,
    ROLE_PERMISSIONS,
    Permission,
    permissions_in,
)

NOON = 1_795_348_800_000  # ms
CAST = {each.username: each for each in (*TEAM, *CLIENTS)}
NEEDED = {
    "claim": Permission.WORK,
    "label": Permission.WORK,
    "priority": Permission.WORK,
    "note": Permission.NOTE,
}
NEEDED |= {"reply": Permission.FILE, "send": Permission.FILE}
EVERY = pytest.mark.parametrize(
    "script", [*PORTAL_HISTORY, *SCENARIOS], ids=lambda each: each.title
)


def actor_of(who: str, at: int) -> Actor:
    """Build an actor of one of the cast; the workspace is `org:` and the company's name."""
    person = CAST[who]
    channel = f"org:{person.company}" if person.company else STAFF_CHANNEL
    return Actor(Viewer(who, (Grant(channel, channel, person.role),)), at)


def follow(script: RequestScript) -> list[str]:
    """The statuses a request goes through; fails where someone does what they may not."""
    workspace = f"org:{script.company}"
    row: Any = SimpleNamespace(
        status="new", opener=script.username, workspace=workspace, closed_at=None
    )
    at, statuses = NOON - script.age, ["new"]
    for act in script.actions:
        at += act.delay
        actor, before = actor_of(act.username, at), row.status
        if act.verb == "status":
            assert act.value in STATUSES
            assert act.value != before, f"{act} changes nothing"
            assert transition_refusal(actor, row, act.value) is None, act
            row.status, row.closed_at = act.value, at if act.value in ENDED_STATUSES else None
        else:
            assert NEEDED[act.verb] in permissions_in(actor.viewer, workspace), act
        if act.verb == "claim" and before == "new":
            row.status = "active"
        if act.verb in ("reply", "send") and before == "waiting" and CAST[act.username].company:
            row.status = "active"
        if row.status != before:
            statuses.append(row.status)
    return statuses


@EVERY
def test_every_actor_exists_and_has_the_needed_permissions(script):
    client = CAST[script.username]

    assert client.company == script.company
    assert all(CAST[act.username].company in ("", script.company) for act in script.actions)
    assert script.category in ("Question", "Problem", "Change", "Other")
    assert follow(script)
    for act in script.actions:
        if act.verb == "priority":
            assert act.value in PRIORITY_LABELS
        if act.verb == "send":
            assert act.value.split(" ")[0] in attachments.ATTACHMENTS
        for name in ("@" + each.name for each in CAST.values()):
            assert f"{name.split()[0]} " not in act.value.replace(name, ""), "half a mention"


def test_every_role_has_a_holder():
    assert {each.role for each in CAST.values()} == set(ROLE_LABELS)
    assert Permission.MODERATE in ROLE_PERMISSIONS[CAST[DELETE_ACTION.username].role]


def test_the_seeded_history_covers_every_status_and_action():
    ways = {script.title: follow(script) for script in PORTAL_HISTORY}
    verbs = {act.verb for script in PORTAL_HISTORY for act in script.actions}
    sent = [act for script in PORTAL_HISTORY for act in script.actions if act.verb == "send"]

    assert {way[-1] for way in ways.values()} == set(STATUSES)
    assert sum("done" in way[:-1] for way in ways.values()) >= 2, "some were opened again"
    assert verbs == {"claim", "reply", "note", "send", "label", "priority", "status"}
    assert {act.value.split(" ")[0] for act in sent} == set(attachments.ATTACHMENTS)
    assert {script.company for script in PORTAL_HISTORY} == {each.company for each in CLIENTS}
    for script in PORTAL_HISTORY:
        assert script.age - sum(act.delay for act in script.actions) > HOUR, "it is over"
        assert script.age < HISTORY_LENGTH
    assert list(PORTAL_HISTORY) == sorted(PORTAL_HISTORY, key=lambda each: -each.age), (
        "numbers follow time"
    )
    assert PORTAL_HISTORY[0].age > 55 * DAY


def test_attachments_match_their_names_and_are_deterministic():
    kinds = {"csv": "text/plain", "log": "text/plain", "png": "image/png"}
    for name, make in attachments.ATTACHMENTS.items():
        taken = make()

        assert taken == make()
        assert len(taken) < 100_000
        ending = name.rpartition(".")[2]
        assert detect_type(taken[:8192], is_text=ending != "png") == kinds[ending]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.title)
def test_a_live_scenario_ends_without_acting_as_a_visitor(scenario):
    way = follow(scenario)

    assert scenario.actions[-1].verb == "status"
    assert [status in ENDED_STATUSES for status in way] == [False] * (len(way) - 1) + [True]
    assert not {scenario.username, *(act.username for act in scenario.actions)} & {
        *VISITOR_USERNAMES
    }
    assert all(act.verb != "send" for act in scenario.actions), (
        "files are put into the store before"
    )


def make_planner(seed: int = 1, plan: Plan | None = None, first: int = 1) -> Planner:
    ids = count(first)
    return Planner(Random(seed), plan or Plan(NOON), make_id=lambda: f"request {next(ids)}")


def take_moves(planner: Planner, moves: int) -> list[Move]:
    """Take the next moves, each of which succeeds."""
    taken = []
    for _ in range(moves):
        taken.append(planner.next_move())
        if taken[-1].task == DELETE_ACTION:
            planner.forget_request(taken[-1].ticket)
    return taken


@pytest.mark.parametrize("seed", range(5))
def test_requests_never_pile_up_and_each_runs_to_its_end(seed):
    planner = make_planner(seed)
    lives: dict[str, list[RequestScript | Action]] = {}

    for _ in range(500):
        [move] = take_moves(planner, 1)
        lives.setdefault(move.ticket, []).append(move.task)
        titles = [each.title for each in (*planner.plan.running, *planner.plan.ended)]
        assert len(planner.plan.running) <= MAX_OPEN_REQUESTS <= 10
        assert len(planner.plan.ended) <= MAX_ENDED_REQUESTS + 1
        assert len(titles) == len(set(titles)), "two of the same stand in one list"

    over = [life for life in lives.values() if life[-1] == DELETE_ACTION]
    assert len(over) > 20
    for filed, *acts in over:
        assert isinstance(filed, RequestScript)
        assert acts == [*filed.actions, DELETE_ACTION]
    assert {life[0].title for life in lives.values() if isinstance(life[0], RequestScript)} == {
        each.title for each in SCENARIOS
    }


def test_pauses_stay_within_their_limits():
    pauses = {make_planner(seed).next_pause() for seed in range(50)}

    assert MIN_PAUSE <= min(pauses) < max(pauses) <= MAX_PAUSE


def test_the_same_seed_makes_the_same_moves():
    assert take_moves(make_planner(3), 200) == take_moves(make_planner(3), 200)
    assert take_moves(make_planner(3), 200) != take_moves(make_planner(4), 200)


def test_a_plan_continues_where_it_was_saved():
    before = make_planner()
    take_moves(before, 150)

    restored = parse_plan(before.plan.to_json())
    assert restored == before.plan

    continued = take_moves(make_planner(2, restored, first=1000), 150)
    created = {move.ticket for move in continued if isinstance(move.task, RequestScript)}
    assert set(before.plan.request_ids) & {move.ticket for move in continued}
    assert not set(before.plan.request_ids) & created


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"began": 1}', '{"began": "x", "running": []}'])
def test_an_invalid_plan_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  json's own and ours are both fine
        parse_plan(text)


def test_a_request_is_parsed_from_its_text():
    [first, second] = parse_requests(
        "# 2 | Here | ann | Problem | It is dark\nVery \\\ndark.\n\n@Bo Lind says so.\n"
        "@bo 2h reply Light the lamp.\n\n@Ann Lie knows how.\n@ann status done\n"
        "# 0.5 | There | cy | Change | More\nPlease.\n"
    )

    assert first == RequestScript(
        2 * DAY,
        "Here",
        "ann",
        "Problem",
        "It is dark",
        "Very dark.\n\n@Bo Lind says so.",
        (
            Action("bo", "reply", "Light the lamp.\n\n@Ann Lie knows how.", 2 * HOUR),
            Action("ann", "status", "done"),
        ),
    )
    assert (second.age, second.text, second.actions) == (DAY // 2, "Please.", ())
