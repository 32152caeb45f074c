"""Decide from the settings whether mail is sent, and build what writes it."""

from __future__ import annotations

from deskwire.settings import Settings
from deskwire.web.local_requests import LocalRequests
from deskwire.web.mail_templates import MailMode, MailTemplates


def build_mail_templates(settings: Settings) -> MailTemplates:
    """Return the mail of this desk."""
    if settings.smtp_server is not None:
        return MailTemplates(settings.public_url, "sent")
    mode: MailMode = "kept" if settings.environment == "development" else "off"
    return MailTemplates(settings.public_url, mode, LocalRequests(settings.host))
