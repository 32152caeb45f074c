"""Write the mails about API keys that expire soon, or whose maker left."""

from __future__ import annotations

from datetime import UTC, datetime

from deskwire.dispatches.mail import MailContent
from deskwire.kit.clock import Millis
from deskwire.kit.i18n import gettext
from deskwire.web.mail_templates import MailTemplates
from deskwire.web.rendering.time_zones import datetime_text
from deskwire.workspaces.keys.reminders import ComposeKeyMail, KeyNotice


def build_key_mail_composer(templates: MailTemplates, origin: str) -> ComposeKeyMail:
    """Return a function that writes the mail of a notice; its link leads to `origin`."""

    def compose(notice: KeyNotice, reader: str) -> MailContent:
        organization = notice.organization
        path = f"{organization.href}/settings#api-keys" if organization else "/admin/keys"
        place = organization.name if organization else gettext("the desk")
        values = {"name": reader, "place": place, "link": origin + path}
        if notice.kind == "expiry":
            key = notice.keys[0]
            subject = gettext("The API key “%(key)s” expires soon", key=key.name)
            return templates.render_mail(
                "key_expiry", subject, key=key.name, day=_utc_text(key.expires_at or 0), **values
            )
        subject = gettext("Replace API keys of %(place)s", place=place)
        maker = notice.maker
        who = gettext("A former member") if maker is None or maker.is_deleted else maker.name
        names = "\n".join(f"- {key.name}" for key in notice.keys)
        return templates.render_mail("key_maker_left", subject, maker=who, keys=names, **values)

    return compose


def _utc_text(at: Millis) -> str:
    return datetime_text(datetime.fromtimestamp(at / 1000, UTC))
