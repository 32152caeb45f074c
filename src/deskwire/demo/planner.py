"""What the demo's people do next in the portal, and what is remembered of it.

Pure: randomness, ids and the time come in, nothing goes out but moves. Each request they file goes
through its whole life; of those that have ended the oldest are deleted, so that after an hour the
demo looks as it did after some minutes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any, NamedTuple

from deskwire.demo.scenarios import SCENARIOS
from deskwire.demo.tickets import Action, RequestScript
from deskwire.kit.clock import SECOND, Millis
from deskwire.kit.ids import new_id

MIN_PAUSE, MAX_PAUSE = 6 * SECOND, 10 * SECOND  # between two moves; one can read what has changed
MAX_OPEN_REQUESTS = 6  # requests at once; more, and each would stand still for minutes
MAX_ENDED_REQUESTS = 7  # requests that have ended; older ones are deleted
NEW_REQUEST_PROBABILITY = 0.3  # of the moves for which another request has room
DELETE_ACTION = Action("noah", "remove")  # an operations manager may


class Move(NamedTuple):
    """What happens next: somebody files a request, or does one thing in it."""

    ticket: str
    task: RequestScript | Action


@dataclass(slots=True)
class PlannedRequest:
    """A request, by its id and title, with what is still to be done in it."""

    ticket: str
    title: str
    acts: list[Action]


@dataclass(slots=True)
class Plan:
    """`began`: since when (ms) the requests of others are those of a visitor."""

    began: Millis
    running: list[PlannedRequest] = field(default_factory=list)
    ended: list[PlannedRequest] = field(default_factory=list)

    @property
    def request_ids(self) -> list[str]:
        """The requests the demo's people have filed and not deleted."""
        return [each.ticket for each in (*self.running, *self.ended)]

    def to_json(self) -> str:
        """For a file; `parse_diary` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse_plan(text: str) -> Plan:
    """What `to_json` wrote. ValueError if it is anything else."""
    try:
        kept = json.loads(text)
        lists = (
            [_parse_planned_request(each) for each in kept[name]] for name in ("running", "ended")
        )
        return Plan(int(kept["began"]), *lists)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a diary of the demo's people: {error!r}") from None


def _parse_planned_request(stored: dict[str, Any]) -> PlannedRequest:
    return PlannedRequest(
        stored["ticket"], stored["title"], [Action(*each) for each in stored["acts"]]
    )


class Planner:
    """Goes on from `diary`, which it keeps up to date; save that before each move is made."""

    def __init__(
        self,
        rng: Random,
        plan: Plan,
        scenarios: Sequence[RequestScript] = SCENARIOS,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self.plan = plan
        self._rng = rng
        self._scenarios = scenarios
        self._make_id = make_id

    def next_pause(self) -> Millis:
        """How long until the next move."""
        return self._rng.randrange(MIN_PAUSE, MAX_PAUSE)

    def next_move(self) -> Move:
        """The next move; it counts as made, but for a removal, after which comes `forget`."""
        running, ended = self.plan.running, self.plan.ended
        if len(ended) > MAX_ENDED_REQUESTS:
            return Move(ended[0].ticket, DELETE_ACTION)
        has_room = len(running) < MAX_OPEN_REQUESTS
        if not running or (has_room and self._rng.random() < NEW_REQUEST_PROBABILITY):
            return self._create_request()
        return self._continue_request()

    def forget_request(self, ticket: str) -> None:
        """A request is not there any more, or not ours."""
        diary = self.plan
        diary.running = [each for each in diary.running if each.ticket != ticket]
        diary.ended = [each for each in diary.ended if each.ticket != ticket]

    def _create_request(self) -> Move:
        """Of what stands in no list at the moment: nobody reads the same title twice."""
        known = {each.title for each in (*self.plan.running, *self.plan.ended)}
        errand = self._rng.choice([each for each in self._scenarios if each.title not in known])
        ticket = self._make_id()
        self.plan.running.append(PlannedRequest(ticket, errand.title, list(errand.actions)))
        return Move(ticket, errand)

    def _continue_request(self) -> Move:
        running = self.plan.running
        # The oldest goes on most often, so that requests end.
        request = self._rng.choices(running, weights=range(len(running), 0, -1))[0]
        act = request.acts.pop(0)
        if not request.acts:
            running.remove(request)
            self.plan.ended.append(request)
        return Move(request.ticket, act)
