"""Describe who acts in the portal, with which permissions, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId, SubjectId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden
from deskwire.kit.i18n import gettext
from deskwire.workspaces.origin import Origin


@dataclass(frozen=True, slots=True)
class Actor:
    """The viewer who acts, and the time of the action (ms)."""

    viewer: Viewer
    at: Millis

    @property
    def subject(self) -> SubjectId:
        """A person's id, `key:ID` or `discord:ID`; events name it as the actor."""
        return self.viewer.subject

    @property
    def person_id(self) -> PersonId:
        """The person's id. Raises Forbidden for an API key, for what only people do."""
        if not self.viewer.is_person:
            raise Forbidden(gettext("An API key can’t do this. Sign in to do it."))
        return self.viewer.subject

    def origin(self, **wire_fields: Any) -> Origin:  # noqa: ANN401 - JSON
        """Return the origin of the events of this action, with their own fields."""
        return Origin(self.subject, self.at, None, wire_fields)
