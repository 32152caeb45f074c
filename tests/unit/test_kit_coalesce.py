"""Test coalescing: the first call runs at once, then one per interval, and always the last."""

from __future__ import annotations

from collections.abc import Callable

from deskwire.kit.coalesce import Coalescer


def test_many_calls_become_one_at_once_and_one_per_interval() -> None:
    done = list[str]()
    waiting = list[Callable[[], None]]()
    coalescer = Coalescer(lambda: done.append("done"), 0.15, lambda _gap, act: waiting.append(act))

    for _ in range(300):
        coalescer.schedule()
    assert len(done) == 1
    waiting.pop()()
    assert len(done) == 2
    waiting.pop()()
    assert (len(done), waiting) == (2, [])
    coalescer.schedule()

    assert len(done) == 3
