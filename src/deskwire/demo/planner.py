"""Plan what the demo's people do next in the portal, as a plan that can be saved and resumed.

Pure: randomness, ids and the time come in, only moves go out. Each request they create goes through
its whole life, and the oldest ended ones are deleted, so that after an hour the demo looks as it
did after a few minutes.
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

MIN_PAUSE, MAX_PAUSE = (
    6 * SECOND,
    10 * SECOND,
)  # ms between two moves; long enough to read what changed
MAX_OPEN_REQUESTS = 6  # requests at once; with more, each would idle for minutes
MAX_ENDED_REQUESTS = 7  # ended requests; older ones are deleted
NEW_REQUEST_PROBABILITY = 0.3  # share of moves that start a request, while there is room
DELETE_ACTION = Action("noah", "remove")  # an operations manager may delete requests


class Move(NamedTuple):
    """The next thing to happen: a person creates the request, or acts on it once."""

    ticket: str
    task: RequestScript | Action


@dataclass(slots=True)
class PlannedRequest:
    """A request by id and title, with the actions still to be done on it."""

    ticket: str
    title: str
    acts: list[Action]


@dataclass(slots=True)
class Plan:
    """The saved plan. Requests by others opened after `began` (ms) are a visitor's."""

    began: Millis
    running: list[PlannedRequest] = field(default_factory=list)
    ended: list[PlannedRequest] = field(default_factory=list)

    @property
    def request_ids(self) -> list[str]:
        """Ids of the requests the demo's people have created and not deleted."""
        return [each.ticket for each in (*self.running, *self.ended)]

    def to_json(self) -> str:
        """Serialize for `parse_plan`."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse_plan(text: str) -> Plan:
    """Parse what `to_json` wrote. Raises ValueError if it is anything else."""
    try:
        stored = json.loads(text)
        lists = (
            [_parse_planned_request(each) for each in stored[name]] for name in ("running", "ended")
        )
        return Plan(int(stored["began"]), *lists)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a plan of the demo's people: {error!r}") from None


def _parse_planned_request(stored: dict[str, Any]) -> PlannedRequest:
    return PlannedRequest(
        stored["ticket"], stored["title"], [Action(*each) for each in stored["acts"]]
    )


class Planner:
    """Choose moves and keep `plan` up to date; save the plan before making each move."""

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
        """Return the time until the next move, in ms."""
        return self._rng.randrange(MIN_PAUSE, MAX_PAUSE)

    def next_move(self) -> Move:
        """Choose the next move and record it in the plan.

        After a deletion the caller confirms with `forget_request`.
        """
        running, ended = self.plan.running, self.plan.ended
        if len(ended) > MAX_ENDED_REQUESTS:
            return Move(ended[0].ticket, DELETE_ACTION)
        has_room = len(running) < MAX_OPEN_REQUESTS
        if not running or (has_room and self._rng.random() < NEW_REQUEST_PROBABILITY):
            return self._create_request()
        return self._continue_request()

    def forget_request(self, ticket: str) -> None:
        """Remove a request from the plan, because it was deleted or a visitor takes part in it."""
        plan = self.plan
        plan.running = [each for each in plan.running if each.ticket != ticket]
        plan.ended = [each for each in plan.ended if each.ticket != ticket]

    def _create_request(self) -> Move:
        # Only scenarios that are in no list at the moment: no title appears twice.
        titles = {each.title for each in (*self.plan.running, *self.plan.ended)}
        scenario = self._rng.choice([each for each in self._scenarios if each.title not in titles])
        ticket = self._make_id()
        self.plan.running.append(PlannedRequest(ticket, scenario.title, list(scenario.actions)))
        return Move(ticket, scenario)

    def _continue_request(self) -> Move:
        running = self.plan.running
        # The oldest is continued most often, so that requests end.
        request = self._rng.choices(running, weights=range(len(running), 0, -1))[0]
        action = request.acts.pop(0)
        if not request.acts:
            running.remove(request)
            self.plan.ended.append(request)
        return Move(request.ticket, action)
