"""Who does something in the portal, with all they may do, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.workspaces.origin import Origin


@dataclass(frozen=True, slots=True)
class Actor:
    """One deed: by whom, and at which moment (ms)."""

    viewer: Viewer
    at: Millis

    @property
    def person_id(self) -> PersonId:
        return self.viewer.person

    def origin(self, **wire_fields: Any) -> Origin:  # noqa: ANN401 - JSON
        """Where the events come from, with the fields of their own."""
        return Origin(self.person_id, self.at, None, wire_fields)
