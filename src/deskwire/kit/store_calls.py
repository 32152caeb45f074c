"""Call a file store in threads of its own, for a limited time, and say in a line why it failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

from deskwire.kit.errors import Unavailable
from deskwire.kit.i18n import gettext
from deskwire.kit.threads import DaemonThreadPool, PoolOverloaded

CALL_TIMEOUT = 30.0  # s for one call, its wait for a thread included; a request makes several
STORE_THREADS = 8  # calls of one store at a time; a stalled one takes these, and no others

P = ParamSpec("P")
T = TypeVar("T")


class StoreCalls:
    """The calls of one store, which log lines call `name`. Raises Unavailable where it fails."""

    def __init__(self, name: str, threads: int = STORE_THREADS) -> None:
        self._name = name
        self._threads = DaemonThreadPool("file-store", threads)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call within CALL_TIMEOUT."""
        try:
            return await self.look_up(CALL_TIMEOUT, function, *args, **kwargs)
        except FileNotFoundError as error:
            raise self.failed(error.strerror or repr(error)) from None

    async def look_up(
        self, seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a call within `seconds`. A FileNotFoundError is left to the caller."""
        try:
            async with asyncio.timeout(seconds):
                return await self._threads.run(function, *args, **kwargs)
        except TimeoutError:
            raise self.failed(f"no answer within {seconds:.0f} s") from None
        except PoolOverloaded as error:
            raise self.failed(str(error)) from None
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self.failed(error.strerror or repr(error)) from None

    async def finish(self, function: Callable[[], object]) -> None:
        """Run the last call for something, such as closing it; it must not raise.

        It is run even if the task is being cancelled, which ends only the wait for it.
        """
        loop, is_over = asyncio.get_running_loop(), asyncio.Event()

        def report(_future: object) -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(is_over.set)

        # Not `wrap_future`: cancelling that would cancel a call that has not begun.
        self._threads.submit(function, even_if_overloaded=True).add_done_callback(report)
        with suppress(TimeoutError):
            async with asyncio.timeout(CALL_TIMEOUT):
                await is_over.wait()

    def failed(self, reason: str) -> Unavailable:
        """Return the error to raise; `reason` is one line for the log."""
        return Unavailable(
            gettext("Files can’t be saved or opened right now. Try again in a moment."),
            f"{self._name} failed: {reason}",
        )
