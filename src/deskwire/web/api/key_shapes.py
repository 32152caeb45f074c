"""Define the shape of an API key in the API."""

from __future__ import annotations

from pydantic import Field

from deskwire.accounts.api_keys import ApiKey
from deskwire.web.api.shapes import ResponseBody, Timestamp
from deskwire.workspaces.guilds.permissions import permission_names


class KeyNow(ResponseBody):
    """An API key, without its secret."""

    id: str
    name: str
    kind: str = Field(description="`organization`, `guild`, `desk` or `bot`")
    workspace: str | None = Field(description="`org:ID` or `guild:ID`; null for the whole desk")
    role: str | None = Field(description="role in the organization, or in the team")
    permissions: list[str] = Field(description="permissions in the Discord server")
    scopes: list[str] = Field(description="`read`, `write` and `stream`")
    expires_at: Timestamp | None = Field(description="null: never")


def to_key_now(key: ApiKey) -> KeyNow:
    """Convert a key to its shape."""
    return KeyNow(
        id=key.id,
        name=key.name,
        kind=key.kind,
        workspace=key.workspace,
        role=key.role,
        permissions=permission_names(key.permissions),
        scopes=[*key.scopes],
        expires_at=key.expires_at,
    )
