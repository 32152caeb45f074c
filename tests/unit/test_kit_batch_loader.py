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


async def ask(loader: BatchLoader[str, str], *keys: str) -> list[asyncio.Task[str | None]]:
    tasks = [asyncio.create_task(loader.load(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_concurrent_lookups_share_one_query() -> None:
    source = LoaderFixture()
    loader = BatchLoader(source.answer)

    tasks = await ask(loader, "a") + await ask(loader, "b", "c", "nobody")
    source.gate.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C", None]
    assert source.questions == [["a"], ["b", "c", "nobody"]]


async def test_a_key_is_queried_once() -> None:
    source = LoaderFixture()
    loader = BatchLoader(source.answer)

    tasks = await ask(loader, "first") + await ask(loader, "b", "b")
    source.gate.set()

    assert await asyncio.gather(*tasks) == ["FIRST", "B", "B"]
    assert source.questions == [["first"], ["b"]]


async def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    source = LoaderFixture()
    loader = BatchLoader(source.answer)
    gone, stays = await ask(loader, "a", "a")

    gone.cancel()
    source.gate.set()

    assert await stays == "A"


async def test_a_failed_query_fails_only_its_own_callers() -> None:
    source = LoaderFixture()
    loader = BatchLoader(source.answer)
    source.broken = True
    (task,) = await ask(loader, "a")
    source.gate.set()

    with pytest.raises(OSError, match="broken"):
        await task

    source.broken = False
    assert await loader.load("a") == "A"
