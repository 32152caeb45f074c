"""Serve Deskwire without its webhook worker, to measure the door by itself.

Everything else is as shipped: settings, logging, the application, the intake, the hub.
"""

from __future__ import annotations

import asyncio
from unittest.mock import patch

from deskwire.cli.main import main
from deskwire.webhooks.worker import Worker


async def wait_forever(_worker: Worker) -> None:
    """Replace `Worker.run`: process nothing."""
    await asyncio.Event().wait()


if __name__ == "__main__":
    with patch.object(Worker, "run", wait_forever):
        main()
