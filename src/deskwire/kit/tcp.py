"""Look up host names in threads that no exit waits for, and connect to them.

The event loop looks names up in threads of its own, which go on after the task that asked was
cancelled, and for which the process waits at its end: a silent name server would hold it up.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from deskwire.kit.threads import DaemonThreadPool

LOOKUP_THREADS = DaemonThreadPool("name-lookup", 4)  # a silent name server takes one per attempt


async def connect_tcp(host: str, port: int) -> socket.socket:
    """Return a non-blocking socket connected to the first address of `host` that accepts it.

    Raises OSError; the caller limits the time.
    """
    look_up = partial(socket.getaddrinfo, type=socket.SOCK_STREAM)
    addresses = await LOOKUP_THREADS.run(look_up, host, port)
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, address)
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


async def find_own_name() -> str:
    """Return the full name of this machine, as `socket.getfqdn` does."""
    return await LOOKUP_THREADS.run(socket.getfqdn)
