"""Two client organizations and the team, for what is told of files.

Bo, Una   members of Northwind; Bo files the requests
Cy        a member of Tyrell, which has nothing to do with Northwind
Ada       of the team
Eve       has an account, and no organization
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from deskwire.events.access import Viewer
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.create import Filing, file_request
from deskwire.tickets.actions.post_message import Kind, Written
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.organizations import (
    employ,
    organization_members,
    organizations,
    read_visible_by_id,
)
from tests.cast import ADA, BO, CAST, CY, NOON, UNA, Actor, House


class FilesHouse(House):
    """A house with organizations instead of servers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for actor in CAST:
            self.move_in(actor)
        self.northwind = self.found("northwind", BO, UNA)
        self.tyrell = self.found("tyrell", CY)
        self.db.write_here(employ, self.id_of(ADA), "support_analyst", NOON)

    def found(self, slug: str, *members: Actor, visibility: str = "members") -> str:
        """A new organization; its workspace."""
        id_ = new_id()
        row = {"id": id_, "slug": slug, "name": slug.title(), "internal": False}
        self.db.write_here(
            lambda tx: tx.execute(
                insert(organizations).values(
                    **row, visibility=visibility, created_at=NOON, revision=1
                )
            )
        )
        for member in members:
            self.enter(id_, member)
        return f"org:{id_}"

    def enter(self, organization: str, actor: Actor, role: str = "member") -> None:
        row = {"organization": organization, "person": self.id_of(actor), "role": role}
        self.db.write_here(
            lambda tx: tx.execute(insert(organization_members).values(**row, revision=1))
        )

    def file(self, actor: Actor, place: str, files: Sequence[str] = ()) -> str:
        """File a request; its id."""

        def work(tx: Connection, deed: Deed) -> Any:
            organization = read_visible_by_id(tx, deed.viewer, place.partition(":")[2])
            filing = Filing(new_id(), "The crane", "It is stuck.", files=files)
            return file_request(tx, deed, organization, filing)

        return str(self.db.write_here(work, self.deed(actor)).id)

    def write(self, actor: Actor, ticket: str, files: Sequence[str], kind: Kind = "reply") -> str:
        """Write a message with files; its id."""
        written = Written(new_id(), "See here.", kind, files)
        return str(self.db.write_here(post_message.say, self.deed(actor), ticket, written).id)

    def erase(self, actor: Actor, ticket: str, message: str) -> None:
        self.db.write_here(post_message.erase, self.deed(actor), ticket, message)

    def deed(self, actor: Actor) -> Deed:
        self.at += 1000
        viewer: Viewer = self.viewer(actor)
        return Deed(viewer, self.at)
