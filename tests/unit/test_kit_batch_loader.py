"""Test the batch loader: concurrent lookups share one query, and no caller disturbs another."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import pytest

from deskwire.kit.batch_loader import BatchLoader

pytestmark = pytest.mark.anyio


class LoaderFixture:
    """Answers with the key in capitals, when it is let; `broken` raises."""

    def __init__(self) -> None:
        self.questions: list[list[str]] = []
        self.gate = asyncio.Event()
        self.broken = False

    async def answer(self, keys: Collection[str]) -> dict[str, str]:
        self.questions.append(list(keys))
        await self.gate.wait()
        if self.broken:
            raise OSError("the database is broken")
        return {key: key.upper() for key in keys if key != "nobody"}


async def ask(together: BatchLoader[str, str], *keys: str) -> list[asyncio.Task[str | None]]:
    tasks = [asyncio.create_task(together.load(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_those_who_come_while_one_is_asked_are_asked_together() -> None:
    loader = LoaderFixture()
    together = BatchLoader(loader.answer)

    tasks = await ask(together, "a") + await ask(together, "b", "c", "nobody")
    loader.gate.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C", None]
    assert loader.questions == [["a"], ["b", "c", "nobody"]]


async def test_the_same_key_is_asked_for_once() -> None:
    loader = LoaderFixture()
    together = BatchLoader(loader.answer)

    tasks = await ask(together, "first") + await ask(together, "b", "b")
    loader.gate.set()

    assert await asyncio.gather(*tasks) == ["FIRST", "B", "B"]
    assert loader.questions == [["first"], ["b"]]


async def test_who_goes_away_does_not_take_the_answer_from_the_others() -> None:
    loader = LoaderFixture()
    together = BatchLoader(loader.answer)
    gone, stays = await ask(together, "a", "a")

    gone.cancel()
    loader.gate.set()

    assert await stays == "A"


async def test_a_question_that_failed_fails_for_those_who_asked_and_no_one_later() -> None:
    loader = LoaderFixture()
    together = BatchLoader(loader.answer)
    loader.broken = True
    (task,) = await ask(together, "a")
    loader.gate.set()

    with pytest.raises(OSError, match="broken"):
        await task

    loader.broken = False
    assert await together.load("a") == "A"
