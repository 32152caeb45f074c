"""Describe a URL: its policy, and an endpoint for each method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

Policy = Literal["public", "anyone", "signed-in", "session", "signature", "operator", "development"]
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Url:
    """A URL with an endpoint for each method, or an ASGI application for all methods."""

    path: str
    policy: Policy
    get: Endpoint | None = None
    post: Endpoint | None = None
    put: Endpoint | None = None
    patch: Endpoint | None = None
    delete: Endpoint | None = None
    app: ASGIApp | None = None  # None without endpoints: handled in front of this application
    files: Literal["none", "parts", "any"] = "none"  # accepted in multipart forms, or any body
    keys: bool = False  # whether API keys are accepted beside sessions
    methods: Mapping[str, Endpoint] = field(init=False)

    def __post_init__(self) -> None:
        endpoints = {"GET": self.get, "POST": self.post, "PUT": self.put}
        endpoints |= {"PATCH": self.patch, "DELETE": self.delete}
        object.__setattr__(self, "methods", {m: e for m, e in endpoints.items() if e is not None})
