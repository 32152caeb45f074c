"""Serve static files under URLs that change with their content, cacheable for a year."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_DIRECTORY = Path(__file__).parents[1] / "static"
IMMUTABLE = "public, max-age=31536000, immutable"  # s, a year; RFC 8246
REVALIDATE = "no-cache"  # cacheable, but revalidated before each use


def asset_url(name: str) -> str:
    """Return `/static/dist/app.css?v=…` for `dist/app.css`; without `v` if it is not built yet."""
    path = STATIC_DIRECTORY / name
    if not path.is_file():
        return f"/static/{name}"
    return f"/static/{name}?v={_digest(path, path.stat().st_mtime_ns)}"


@lru_cache(maxsize=32)  # files; ten exist
def _digest(path: Path, _changed_at: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


class Assets(StaticFiles):
    """Serve the folder `web/static`. Only a URL with `v` is immutable."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_DIRECTORY, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_versioned = b"v=" in scope["query_string"] and response.status_code == 200
        response.headers["cache-control"] = IMMUTABLE if is_versioned else REVALIDATE
        return response
