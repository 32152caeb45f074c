"""The demo's people in the portal: all they do is allowed and ends, and nothing piles up."""

from __future__ import annotations

from itertools import count
from random import Random
from types import SimpleNamespace

import pytest

from deskwire.demo import attachments
from deskwire.demo.cast import CLIENTS, TEAM, VISITORS
from deskwire.demo.planner import (
    KEPT,
    LONGEST,
    REMOVAL,
    RUNNING,
    SHORTEST,
    Diary,
    Move,
    Office,
    parse_diary,
)
from deskwire.demo.portal_history import CHRONICLE
from deskwire.demo.scenarios import ERRANDS
from deskwire.demo.seed_portal import LENGTH
from deskwire.demo.tickets import Act, Matter, parse_matters
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF, Grant
from deskwire.kit.clock import DAY, HOUR
from deskwire.tickets.actions.update import why_not_move
from deskwire.tickets.files.content_types import type_of
from deskwire.tickets.statuses import ENDED, STATUSES
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.permissions import RIGHTS, ROLE_LABELS, Right, rights_in

NOON = 1_795_348_800_000  # ms
CAST = {each.key: each for each in (*TEAM, *CLIENTS)}
NEEDED = {"claim": Right.WORK, "label": Right.WORK, "priority": Right.WORK, "note": Right.NOTE}
NEEDED |= {"reply": Right.FILE, "send": Right.FILE}
EVERY = pytest.mark.parametrize("matter", [*CHRONICLE, *ERRANDS], ids=lambda each: each.title)


def deed_of(who: str, at: int) -> Deed:
    """A deed of one of the cast; `org:` and the company's name is the workspace."""
    person = CAST[who]
    channel = f"org:{person.company}" if person.company else STAFF
    return Deed(Viewer(who, (Grant(channel, channel, person.role),)), at)


def follow(matter: Matter) -> list[str]:
    """The statuses a request goes through; fails where somebody does what they may not."""
    workspace = f"org:{matter.company}"
    row = SimpleNamespace(status="new", opener=matter.who, workspace=workspace, closed_at=None)
    at, statuses = NOON - matter.ago, ["new"]
    for act in matter.acts:
        at += act.after
        deed, before = deed_of(act.who, at), row.status
        if act.what == "status":
            assert act.value in STATUSES
            assert act.value != before, f"{act} changes nothing"
            assert why_not_move(deed, row, act.value) is None, act
            row.status, row.closed_at = act.value, at if act.value in ENDED else None
        else:
            assert NEEDED[act.what] in rights_in(deed.viewer, workspace), act
        if act.what == "claim" and before == "new":
            row.status = "active"
        if act.what in ("reply", "send") and before == "waiting" and CAST[act.who].company:
            row.status = "active"
        if row.status != before:
            statuses.append(row.status)
    return statuses


@EVERY
def test_everybody_exists_and_may_do_what_they_do(matter):
    client = CAST[matter.who]

    assert client.company == matter.company
    assert all(CAST[act.who].company in ("", matter.company) for act in matter.acts)
    assert matter.category in ("Question", "Problem", "Change", "Other")
    assert follow(matter)
    for act in matter.acts:
        if act.what == "priority":
            assert act.value in PRIORITY_LABELS
        if act.what == "send":
            assert act.value.split(" ")[0] in attachments.PAPERS
        for name in ("@" + each.name for each in CAST.values()):
            assert f"{name.split()[0]} " not in act.value.replace(name, ""), "half a mention"


def test_every_role_is_held_by_somebody():
    assert {each.role for each in CAST.values()} == set(ROLE_LABELS)
    assert Right.MODERATE in RIGHTS[CAST[REMOVAL.who].role]


def test_the_past_is_that_of_a_desk_in_use():
    ways = {matter.title: follow(matter) for matter in CHRONICLE}
    verbs = {act.what for matter in CHRONICLE for act in matter.acts}
    sent = [act for matter in CHRONICLE for act in matter.acts if act.what == "send"]

    assert {way[-1] for way in ways.values()} == set(STATUSES)
    assert sum("done" in way[:-1] for way in ways.values()) >= 2, "some were opened again"
    assert verbs == {"claim", "reply", "note", "send", "label", "priority", "status"}
    assert {act.value.split(" ")[0] for act in sent} == set(attachments.PAPERS)
    assert {matter.company for matter in CHRONICLE} == {each.company for each in CLIENTS}
    for matter in CHRONICLE:
        assert matter.ago - sum(act.after for act in matter.acts) > HOUR, "it is over"
        assert matter.ago < LENGTH
    assert list(CHRONICLE) == sorted(CHRONICLE, key=lambda each: -each.ago), "numbers follow time"
    assert CHRONICLE[0].ago > 55 * DAY


def test_files_are_what_they_are_called_and_always_the_same():
    kinds = {"csv": "text/plain", "log": "text/plain", "png": "image/png"}
    for name, make in attachments.PAPERS.items():
        made = make()

        assert made == make()
        assert len(made) < 100_000
        ending = name.rpartition(".")[2]
        assert type_of(made[:8192], is_text=ending != "png") == kinds[ending]


@pytest.mark.parametrize("errand", ERRANDS, ids=lambda each: each.title)
def test_what_happens_live_ends_and_is_done_by_nobody_who_looks(errand):
    way = follow(errand)

    assert errand.acts[-1].what == "status"
    assert [status in ENDED for status in way] == [False] * (len(way) - 1) + [True]
    assert not {errand.who, *(act.who for act in errand.acts)} & {*VISITORS}
    assert all(act.what != "send" for act in errand.acts), "files are put into the store before"


def office(seed: int = 1, diary: Diary | None = None, first: int = 1) -> Office:
    ids = count(first)
    return Office(Random(seed), diary or Diary(NOON), make_id=lambda: f"request {next(ids)}")


def told(office: Office, moves: int) -> list[Move]:
    """The next moves, each of which succeeds."""
    made = []
    for _ in range(moves):
        made.append(office.next())
        if made[-1].what == REMOVAL:
            office.forget(made[-1].ticket)
    return made


@pytest.mark.parametrize("seed", range(5))
def test_requests_never_pile_up_and_each_has_its_whole_life(seed):
    office_ = office(seed)
    lives: dict[str, list[Matter | Act]] = {}

    for _ in range(500):
        [move] = told(office_, 1)
        lives.setdefault(move.ticket, []).append(move.what)
        titles = [each.title for each in (*office_.diary.running, *office_.diary.ended)]
        assert len(office_.diary.running) <= RUNNING <= 10
        assert len(office_.diary.ended) <= KEPT + 1
        assert len(titles) == len(set(titles)), "two of the same stand in one list"

    over = [life for life in lives.values() if life[-1] == REMOVAL]
    assert len(over) > 20
    for filed, *acts in over:
        assert isinstance(filed, Matter)
        assert acts == [*filed.acts, REMOVAL]
    assert {life[0].title for life in lives.values() if isinstance(life[0], Matter)} == {
        each.title for each in ERRANDS
    }


def test_the_pace_is_one_that_can_be_followed():
    pauses = {office(seed).pause() for seed in range(50)}

    assert SHORTEST <= min(pauses) < max(pauses) <= LONGEST


def test_the_same_chance_makes_the_same_moves():
    assert told(office(3), 200) == told(office(3), 200)
    assert told(office(3), 200) != told(office(4), 200)


def test_a_diary_goes_on_where_it_was_written():
    before = office()
    told(before, 150)

    kept = parse_diary(before.diary.to_json())
    assert kept == before.diary

    went_on = told(office(2, kept, first=1000), 150)
    anew = {move.ticket for move in went_on if isinstance(move.what, Matter)}
    assert set(before.diary.own) & {move.ticket for move in went_on}
    assert not set(before.diary.own) & anew


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"began": 1}', '{"began": "x", "running": []}'])
def test_what_is_no_diary_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  json's own and ours are both fine
        parse_diary(text)


def test_a_matter_is_read_from_its_text():
    [first, second] = parse_matters(
        "# 2 | Here | ann | Problem | It is dark\nVery \\\ndark.\n\n@Bo Lind says so.\n"
        "@bo 2h reply Light the lamp.\n\n@Ann Lie knows how.\n@ann status done\n"
        "# 0.5 | There | cy | Change | More\nPlease.\n"
    )

    assert first == Matter(
        2 * DAY,
        "Here",
        "ann",
        "Problem",
        "It is dark",
        "Very dark.\n\n@Bo Lind says so.",
        (
            Act("bo", "reply", "Light the lamp.\n\n@Ann Lie knows how.", 2 * HOUR),
            Act("ann", "status", "done"),
        ),
    )
    assert (second.ago, second.text, second.acts) == (DAY // 2, "Please.", ())
