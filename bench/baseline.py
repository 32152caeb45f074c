"""Serve, check signatures and open a raw database for the bare contestants."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

BACKLOG = 4096  # connections; the same as `deskwire serve`


def serve(app: ASGIApp) -> None:
    """Serve on PORT with the configuration of `deskwire serve`, but without logging."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
    )


def open_database() -> sqlite3.Connection:
    """Open a database whose commits survive a power cut, as Deskwire's do."""
    connection = sqlite3.connect("bare.db", isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE deliveries (id INTEGER PRIMARY KEY, at TEXT NOT NULL, body BLOB NOT NULL)"
    )
    connection.execute("CREATE TABLE log (position INTEGER PRIMARY KEY, frame BLOB NOT NULL)")
    return connection


async def read_signed(scope: Scope, receive: Receive) -> tuple[bytes, bytes] | None:
    """Return the signed timestamp and the body, or None if the signature is wrong."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers: dict[bytes, bytes] = dict(scope["headers"])
    at = headers.get(b"x-webhook-timestamp", b"")
    signature = headers.get(b"x-webhook-signature", b"")
    expected = hmac.new(_SECRET, at + b"." + body, hashlib.sha256).hexdigest()
    return (at, body) if hmac.compare_digest(f"sha256={expected}".encode(), signature) else None


async def send_json(send: Send, status: int, body: bytes = b"{}") -> None:
    """Send a short JSON response."""
    headers: list[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def is_readiness_check(scope: dict[str, Any]) -> bool:
    """Whether the request is the bench asking if the server is up."""
    return bool(scope["path"] == "/readyz")


_SECRET = os.environ.get("BOT_WEBHOOK_SECRET", "").encode()
