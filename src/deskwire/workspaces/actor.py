"""Describe who acts in the portal, with which permissions, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.workspaces.origin import Origin


@dataclass(frozen=True, slots=True)
class Actor:
    """The viewer who acts, and the time of the action (ms)."""

    viewer: Viewer
    at: Millis

    @property
    def person_id(self) -> PersonId:
        return self.viewer.person

    def origin(self, **wire_fields: Any) -> Origin:  # noqa: ANN401 - JSON
        """Return the origin of the events of this action, with their own fields."""
        return Origin(self.person_id, self.at, None, wire_fields)
