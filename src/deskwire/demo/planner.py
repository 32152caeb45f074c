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

from deskwire.demo.scenarios import ERRANDS
from deskwire.demo.tickets import Act, Matter
from deskwire.kit.clock import SECOND, Millis
from deskwire.kit.ids import new_id

SHORTEST, LONGEST = 6 * SECOND, 10 * SECOND  # between two moves; one can read what has changed
RUNNING = 6  # requests at once; more, and each would stand still for minutes
KEPT = 7  # requests that have ended; older ones are deleted
SHARE_FILED = 0.3  # of the moves for which another request has room
REMOVAL = Act("noah", "remove")  # an operations manager may


class Move(NamedTuple):
    """What happens next: somebody files a request, or does one thing in it."""

    ticket: str
    what: Matter | Act


@dataclass(slots=True)
class Running:
    """A request, by its id and title, with what is still to be done in it."""

    ticket: str
    title: str
    acts: list[Act]


@dataclass(slots=True)
class Diary:
    """`began`: since when (ms) the requests of others are those of a visitor."""

    began: Millis
    running: list[Running] = field(default_factory=list)
    ended: list[Running] = field(default_factory=list)

    @property
    def own(self) -> list[str]:
        """The requests the demo's people have filed and not deleted."""
        return [each.ticket for each in (*self.running, *self.ended)]

    def to_json(self) -> str:
        """For a file; `parse_diary` reads it."""
        return json.dumps(asdict(self), ensure_ascii=False)


def parse_diary(text: str) -> Diary:
    """What `to_json` wrote. ValueError if it is anything else."""
    try:
        kept = json.loads(text)
        lists = ([_running(each) for each in kept[name]] for name in ("running", "ended"))
        return Diary(int(kept["began"]), *lists)
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a diary of the demo's people: {error!r}") from None


def _running(kept: dict[str, Any]) -> Running:
    return Running(kept["ticket"], kept["title"], [Act(*each) for each in kept["acts"]])


class Office:
    """Goes on from `diary`, which it keeps up to date; save that before each move is made."""

    def __init__(
        self,
        rng: Random,
        diary: Diary,
        errands: Sequence[Matter] = ERRANDS,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self.diary = diary
        self._rng = rng
        self._errands = errands
        self._make_id = make_id

    def pause(self) -> Millis:
        """How long until the next move."""
        return self._rng.randrange(SHORTEST, LONGEST)

    def next(self) -> Move:
        """The next move; it counts as made, but for a removal, after which comes `forget`."""
        running, ended = self.diary.running, self.diary.ended
        if len(ended) > KEPT:
            return Move(ended[0].ticket, REMOVAL)
        has_room = len(running) < RUNNING
        if not running or (has_room and self._rng.random() < SHARE_FILED):
            return self._file()
        return self._go_on()

    def forget(self, ticket: str) -> None:
        """A request is not there any more, or not ours."""
        diary = self.diary
        diary.running = [each for each in diary.running if each.ticket != ticket]
        diary.ended = [each for each in diary.ended if each.ticket != ticket]

    def _file(self) -> Move:
        """Of what stands in no list at the moment: nobody reads the same title twice."""
        known = {each.title for each in (*self.diary.running, *self.diary.ended)}
        errand = self._rng.choice([each for each in self._errands if each.title not in known])
        ticket = self._make_id()
        self.diary.running.append(Running(ticket, errand.title, list(errand.acts)))
        return Move(ticket, errand)

    def _go_on(self) -> Move:
        running = self.diary.running
        # The oldest goes on most often, so that requests end.
        request = self._rng.choices(running, weights=range(len(running), 0, -1))[0]
        act = request.acts.pop(0)
        if not request.acts:
            running.remove(request)
            self.diary.ended.append(request)
        return Move(request.ticket, act)
