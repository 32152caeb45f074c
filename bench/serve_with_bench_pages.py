"""Serve Deskwire as shipped, with two more URLs for the bench of pages.

/bench/bare/NAME    a template without any tags: the bytes of NAME.html in its folder
/bench/statements   how many SQL statements were run so far, if COUNT_SQL is set
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from jinja2 import Environment, FileSystemLoader
from sqlalchemy import Engine, event
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

import deskwire.server.app
from deskwire.cli.main import main
from deskwire.web.dependencies import Dependencies
from deskwire.web.routes import build_routes, enforce_policy
from deskwire.web.url import Url

_environment = Environment(loader=FileSystemLoader(Path.cwd()), autoescape=True)
_statement_counts: Counter[str] = Counter()


async def bare_template(request: Request) -> Response:
    template = _environment.get_template(f"{request.path_params['name']}.html")
    return HTMLResponse(template.render({}), 200, {"cache-control": "no-store"})


async def statement_count(_: Request) -> Response:
    return PlainTextResponse(str(_statement_counts["all"]))


def count_statement(_connection: object, _cursor: object, statement: str, *_: object) -> None:
    _statement_counts["all"] += not statement.startswith(("BEGIN", "PRAGMA"))


def with_bench_routes(site: Dependencies, *more: Any) -> list[BaseRoute]:
    """Build the product's routes, with the bench's before them."""
    page = Url("/bench/bare/{name}", "signed-in", bare_template)
    bench_routes = [
        Route(page.path, enforce_policy(site, page)),
        Route("/bench/statements", statement_count),
    ]
    return [*bench_routes, *build_routes(site, *more)]


if __name__ == "__main__":
    if os.environ.get("COUNT_SQL"):
        event.listen(Engine, "before_cursor_execute", count_statement)
    with patch.object(deskwire.server.app, "build_routes", with_bench_routes):
        main()
