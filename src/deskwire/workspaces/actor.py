"""Who does something in the portal, with all they may do, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.workspaces.origin import Origin


@dataclass(frozen=True, slots=True)
class Deed:
    """One deed: by whom, and at which moment (ms)."""

    viewer: Viewer
    at: Millis

    @property
    def person(self) -> PersonId:
        return self.viewer.person

    def origin(self, **wire: Any) -> Origin:  # noqa: ANN401 - JSON
        """Where the events come from, with the fields of their own."""
        return Origin(self.person, self.at, None, wire)
