"""Run the services that act beyond open pages: consumers, the dispatcher, timers and jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from deskwire.dispatches.dispatcher import Dispatcher
from deskwire.dispatches.smtp import SmtpTarget
from deskwire.dispatches.store import DISPATCHES_TOPIC
from deskwire.dispatches.target import Target
from deskwire.dispatches.timers import TimerAction, TimerRunner
from deskwire.events.consumers.runner import ConsumerRunner
from deskwire.events.consumers.store import CONSUMERS_CHANGED_TOPIC, CONSUMERS_TOPIC
from deskwire.jobs.runner import JobRunner
from deskwire.jobs.store import JOBS_TOPIC, JobKind
from deskwire.kit.coalesce import Coalescer
from deskwire.kit.db import Database
from deskwire.server.mail import build_mail_templates
from deskwire.settings import Settings
from deskwire.tickets.search_rebuild import SEARCH_REBUILD
from deskwire.web.rendering.key_mails import build_key_mail_composer
from deskwire.webhooks.replay_job import REPLAY_PARKED
from deskwire.workspaces.keys import reminders
from deskwire.workspaces.organizations.invitation_expiry import expire
from deskwire.workspaces.organizations.invitations import EXPIRY_TIMER
from deskwire.workspaces.organizations.mail_recipients import MailRecipients
from deskwire.workspaces.role_audit import ROLE_AUDIT

CONSUMERS = (ROLE_AUDIT,)  # the durable readers of the log
TIMER_ACTIONS: Mapping[str, TimerAction] = {EXPIRY_TIMER: expire}  # those that need no settings
JOB_KINDS: Mapping[str, JobKind] = {each.name: each for each in (SEARCH_REBUILD, REPLAY_PARKED)}
NOTICE_INTERVAL = 0.15  # s; the least time between two refreshes of a page that shows dispatches


@dataclass(frozen=True, slots=True)
class Reach:
    """The consumers, the dispatcher, the timers and the jobs of one process."""

    consumers: ConsumerRunner
    dispatcher: Dispatcher
    timers: TimerRunner
    jobs: JobRunner

    @property
    def services(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """The services, by name."""
        return {
            "consumers": self.consumers.run,
            "dispatches": self.dispatcher.run,
            "timers": self.timers.run,
            "jobs": self.jobs.run,
        }

    def list_wake_callbacks(
        self, send_notice: Callable[[str], None]
    ) -> dict[str, Callable[[], None]]:
        """Return what to call when a topic is woken, by topic; `send_notice` refreshes pages."""
        dispatches = Coalescer(lambda: send_notice("dispatches"), NOTICE_INTERVAL)
        integrations = Coalescer(lambda: send_notice("integrations"), NOTICE_INTERVAL)

        def on_dispatches_changed() -> None:
            self.dispatcher.wake()
            dispatches.schedule()

        return {
            CONSUMERS_TOPIC: self.consumers.wake,
            CONSUMERS_CHANGED_TOPIC: integrations.schedule,
            DISPATCHES_TOPIC: on_dispatches_changed,
            JOBS_TOPIC: self.jobs.wake,
        }


def build_reach(settings: Settings, db: Database) -> Reach:
    """Build these services for a process."""
    return Reach(
        ConsumerRunner(db, CONSUMERS),
        Dispatcher(db, _list_targets(settings)),
        TimerRunner(db, list_timer_actions(settings)),
        JobRunner(db, JOB_KINDS),
    )


def _list_targets(settings: Settings) -> list[Target]:
    if settings.smtp_server is None:
        return []
    return [SmtpTarget(settings.smtp_server, MailRecipients())]


def list_timer_actions(settings: Settings) -> Mapping[str, TimerAction]:
    """Return the actions of timers, by kind."""
    templates = build_mail_templates(settings)
    compose = build_key_mail_composer(templates, settings.public_url or settings.local_url)
    reminder_actions = reminders.build_timer_actions(compose if templates.is_enabled else None)
    return {**TIMER_ACTIONS, **reminder_actions}
