"""Static files: addresses that change with their content, so that browsers keep them for a year."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_DIRECTORY = Path(__file__).parents[1] / "static"
IMMUTABLE = "public, max-age=31536000, immutable"  # s, a year; RFC 8246
REVALIDATE = "no-cache"  # kept, but asked about before use


def asset_url(name: str) -> str:
    """`dist/app.css` → `/static/dist/app.css?v=…`; without `v` while the file is not built."""
    path = STATIC_DIRECTORY / name
    if not path.is_file():
        return f"/static/{name}"
    return f"/static/{name}?v={_digest(path, path.stat().st_mtime_ns)}"


@lru_cache(maxsize=32)  # files; ten exist
def _digest(path: Path, _changed_at: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


class Assets(StaticFiles):
    """The folder `web/static`. Only an address with `v` may be kept without asking."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_DIRECTORY, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope["query_string"] and response.status_code == 200
        response.headers["cache-control"] = IMMUTABLE if versioned else REVALIDATE
        return response
