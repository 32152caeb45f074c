"""Respond with content of the file store, which may fail before a response begins, or during it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Send

from deskwire.kit.errors import Unavailable
from deskwire.kit.store import NoSuchKey

logger = logging.getLogger(__name__)


class StoreResponse(StreamingResponse):
    """Stream chunks that are read from the store.

    If the store fails, the connection is cut: the client must not take what it has for the whole.
    """

    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except Unavailable as error:
            logger.error("a download was cut off: %s", error.reason)  # noqa: TRY400
        except NoSuchKey as error:
            logger.error("a download was cut off: %s was deleted", error)  # noqa: TRY400


async def read_ahead(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return the same chunks, the first of them read already: an error in it is raised now."""
    first = await anext(chunks, b"")

    async def resume() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return resume()
