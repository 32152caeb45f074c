"""Deskwire as shipped, except that nobody works on what the door keeps: the door by itself.

Everything else is the product's: settings, logging, the application, the intake, the hub.
"""

from __future__ import annotations

import asyncio
from unittest.mock import patch

from deskwire.cli.main import main
from deskwire.webhooks.worker import Worker


async def wait_forever(_worker: Worker) -> None:
    """Never work."""
    await asyncio.Event().wait()


if __name__ == "__main__":
    with patch.object(Worker, "run", wait_forever):
        main()
