"""Define the events of API keys. They hold no key's name: everyone in a workspace hears them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from deskwire.events.types.aspects import Aspect
from deskwire.events.types.shapes import Event


class KeyEvent(Event):
    channel_kinds: ClassVar[tuple[str, ...]] = ("key:ID", "org:ID", "staff", "people")
    aspects: ClassVar[frozenset[Aspect]] = frozenset({Aspect.KEYS})
    key: str = Field(description="the key's public id")
    kind: Literal["organization", "guild", "desk", "bot"]


class KeyCreated(KeyEvent):
    """An API key was created."""

    type: ClassVar[str] = "key.created"


class KeyChanged(KeyEvent):
    """What an API key may do or see changed."""

    type: ClassVar[str] = "key.changed"


class KeyRevoked(KeyEvent):
    """An API key was revoked. Its streams are closed."""

    type: ClassVar[str] = "key.revoked"
