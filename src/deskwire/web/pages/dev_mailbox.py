"""Show the mail that a development desk does not send, to browsers on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from deskwire.dispatches import mail
from deskwire.web.dependencies import Dependencies
from deskwire.web.rendering.render import Render


@dataclass(frozen=True, slots=True)
class MailboxPages:
    """`/mail`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /mail: the unsent mail, newest first; only its text part, never the HTML."""
        mails = await self.deps.db.read(mail.read_newest)
        return self.render(request, "mailbox.html", {"mails": mails})
