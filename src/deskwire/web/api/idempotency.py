"""Run the action of a POST or PATCH once for each `Idempotency-Key`, however often it is sent.

A call that is repeated does not run its action again: it gets the id that the first one made, and
is rendered like any other, with what the caller may see by now. A call that fails leaves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from starlette.requests import Request

from deskwire.accounts import idempotency
from deskwire.accounts.idempotency import KeyedCall, RecordedResult
from deskwire.events.channels import SubjectId
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.errors import Invalid

KEY_HEADER = "idempotency-key"
REPLAYED_HEADER = "idempotency-replayed"
KEYED_METHODS = frozenset({"POST", "PATCH"})  # PUT and DELETE may be repeated by their nature
MAX_KEY_LENGTH = 255  # characters
KEY_PATTERN = f"^[ -~]{{1,{MAX_KEY_LENGTH}}}$"  # printable ASCII

RecordResult = Callable[[Connection, str], None]  # (transaction of the action, id it made)


def read_key(request: Request) -> str | None:
    """Return the key of a call that takes one; None without. Raises Invalid for a bad key."""
    keys = request.headers.getlist(KEY_HEADER)
    if request.method not in KEYED_METHODS or not keys:
        return None
    if len(keys) > 1 or re.fullmatch(KEY_PATTERN, keys[0]) is None:
        raise Invalid(
            f"Send one Idempotency-Key of 1 to {MAX_KEY_LENGTH} printable ASCII characters, such "
            "as a UUID."
        )
    return keys[0]


def build_keyed_call(request: Request, subject: SubjectId, key: str, body: bytes) -> KeyedCall:
    """Describe a call with a key, which begins now."""
    return KeyedCall(
        subject,
        f"{request.method} {request.scope['path']}",
        key,
        hash_body(request.url.query, body),
        request.path_params.get("request"),
        now(),
    )


def hash_body(*parts: str | bytes) -> str:
    """Return a digest of a body; each part also counts with its length."""
    digest = sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        digest.update(b"%d " % len(data))
        digest.update(data)
    return digest.hexdigest()


def add_to_body(call: KeyedCall, *parts: str) -> KeyedCall:
    """Return a call whose body also has these parts: a file that was received apart."""
    return replace(call, body_hash=hash_body(call.body_hash, *parts))


async def run_once(
    db: Database,
    call: KeyedCall,
    status: int,
    run: Callable[[RecordResult], Awaitable[str]],
) -> tuple[str, RecordedResult | None]:
    """Run an action; return the id it made, and None. Or return what the call came to before.

    `run` gets a function to call in the transaction of the action. Raises CallInProgress,
    KeyReused, and whatever `run` raises.
    """
    recorded = await db.write(idempotency.begin_call, call)
    if recorded is not None:
        return recorded.made_id, recorded

    def record(tx: Connection, made_id: str) -> None:
        idempotency.finish_call(tx, call, RecordedResult(status, made_id))

    try:
        return await run(record), None
    except Exception:  # not when cancelled: the transaction may commit all the same
        with suppress(OperationalError):  # then the lease ends it
            await db.write(idempotency.abandon_call, call)
        raise
