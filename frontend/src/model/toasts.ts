// Build the toast of each event: one row per event type.

import type { EventData, EventType, TicketSnapshot } from "../generated/events";
import { type Params, t, tn } from "../i18n";
import { isAboutReader } from "./channels";
import * as labels from "./labels";
import type { ToastWording } from "./labels";

/** What a toast shows; the template `toast` names these fields. */
export interface Toast {
  title: string;
  tone: "info" | "success" | "warning" | "danger";
  text?: string;
  href?: string;
  /** Return the title for `count` events of this kind in one burst. */
  groupTitle(count: number): string;
}

type ToastBuilder<T extends EventType> = (
  data: EventData[T],
  readerIds: ReadonlySet<string>,
) => Toast | null;

interface TicketData {
  workspace?: string | null;
  now: TicketSnapshot;
}

/** Every event, or `null` for events that are not worth a toast. */
export const TOASTS: { readonly [T in EventType]: ToastBuilder<T> | null } = {
  "guild.joined": ({ now }) => ({
    title: t("Bot installed in %(name)s!", { name: now.name }),
    tone: "success",
    href: now.href,
    groupTitle: (n) => tn("Bot installed in %(num)s server", "Bot installed in %(num)s servers", n),
  }),
  "guild.left": ({ now }) => ({
    title: t("Bot removed from %(name)s", { name: now.name }),
    tone: "warning",
    href: now.href,
    groupTitle: (n) => tn("Bot removed from %(num)s server", "Bot removed from %(num)s servers", n),
  }),
  "guild.setup_complete": ({ now }) => ({
    title: t("Bot setup completed!"),
    text: now.name,
    tone: "success",
    href: now.href,
    groupTitle: (n) =>
      tn("Bot setup completed %(num)s time", "Bot setup completed %(num)s times", n),
  }),
  "guild.updated": null,
  "guild.deleted": ({ now }) => ({
    title: t("%(name)s was deleted from Deskwire", { name: now.name }),
    tone: "warning",
    groupTitle: (n) =>
      tn("%(num)s server was deleted from Deskwire", "%(num)s servers were deleted from Deskwire", n),
  }),
  "ticket.created": (data) => ({
    ...createTicketToast(data, labels.CREATED),
    text: t("Subject: %(subject)s", { subject: data.subject }),
  }),
  "ticket.updated": (data) =>
    createTicketToast(data, labels.UPDATED, describeChanges(Object.keys(data.changes))),
  "ticket.deleted": ({ reason, ...data }) => {
    const { href: _href, text: _subject, ...toast } = createTicketToast(data, labels.DELETED);
    return { ...toast, tone: "warning", ...(reason ? { text: reason } : {}) };
  },
  "ticket.message_sent": createMessageToast,
  "ticket.message_edited": null,
  "ticket.message_deleted": null,
  "ticket.status_changed": (data) => createTicketToast(data, labels.STATUS_CHANGED),
  "ticket.claimed": (data) =>
    createTicketToast(
      data,
      labels.CLAIMED,
      data.now.assignee && t("By %(name)s", { name: data.now.assignee.name }),
    ),
  "ticket.closed": ({ reason, ...data }) => ({
    ...createTicketToast(data, labels.CLOSED, reason),
    tone: "success",
  }),
  "team.role_created": ({ roleName }) => ({
    title: t("Team role %(roleName)s created", { roleName }),
    tone: "info",
    groupTitle: (n) => tn("%(num)s team role created", "%(num)s team roles created", n),
  }),
  "team.role_updated": ({ roleName }) => ({
    title: t("Team role %(roleName)s updated", { roleName }),
    tone: "info",
    groupTitle: (n) => tn("%(num)s team role updated", "%(num)s team roles updated", n),
  }),
  "team.role_deleted": ({ roleName }) => ({
    title: t("Team role %(roleName)s deleted", { roleName }),
    tone: "info",
    groupTitle: (n) => tn("%(num)s team role deleted", "%(num)s team roles deleted", n),
  }),
  "team.member_assigned": ({ username, roleName }) => ({
    title: t("%(username)s assigned to %(roleName)s", { username, roleName }),
    tone: "info",
    groupTitle: (n) => tn("%(num)s team role assigned", "%(num)s team roles assigned", n),
  }),
  "team.member_unassigned": ({ username, roleName }) => ({
    title: t("%(username)s removed from %(roleName)s", { username, roleName }),
    tone: "info",
    groupTitle: (n) => tn("%(num)s team role removed", "%(num)s team roles removed", n),
  }),
  "member.left": ({ username }) => ({
    title: t("%(username)s left the server", { username }),
    tone: "warning",
    groupTitle: (n) => tn("%(num)s person left the server", "%(num)s people left the server", n),
  }),
  "member.role_changed": null,
  "person.changed": ({ linked, unlinked }) => createIdentityToast(linked, unlinked),
  "session.created": null,
  "session.revoked": null,
  "ticket.reopened": (data) => createTicketToast(data, labels.REOPENED),
  "ticket.assigned": (data) =>
    createTicketToast(
      data,
      labels.ASSIGNED,
      data.now.assignee && t("To %(name)s", { name: data.now.assignee.name }),
    ),
  "ticket.unclaimed": (data) => createTicketToast(data, labels.UNCLAIMED),
  "ticket.participant_added": null,
  "ticket.participant_removed": null,
  "ticket.file_added": null, // the message that carries the file has a toast
  "ticket.file_removed": null,
  "ticket.read": null,
  "organization.created": null,
  "organization.renamed": null,
  "organization.updated": null,
  "organization.visibility_changed": ({ name }) => ({
    title: t("Request visibility of %(name)s changed", { name }),
    tone: "info",
    groupTitle: (n) =>
      tn(
        "Request visibility changed in %(num)s organization",
        "Request visibility changed in %(num)s organizations",
        n,
      ),
  }),
  "organization.deleted": ({ name }) => ({
    title: t("%(name)s was deleted", { name }),
    tone: "warning",
    groupTitle: (n) =>
      tn("%(num)s organization was deleted", "%(num)s organizations were deleted", n),
  }),
  "member.joined": ({ member, place }) => ({
    title: t("%(name)s joined %(place)s", { name: member.name, place: place.name }),
    tone: "info",
    groupTitle: (n) => tn("%(num)s person joined", "%(num)s people joined", n),
  }),
  "member.removed": ({ member, place }) => ({
    title: t("%(name)s is no longer a member of %(place)s", {
      name: member.name,
      place: place.name,
    }),
    tone: "warning",
    groupTitle: (n) =>
      tn("%(num)s person is no longer a member", "%(num)s people are no longer members", n),
  }),
  "invitation.created": null,
  "invitation.accepted": null,
  "invitation.revoked": null,
  "key.created": null,
  "key.changed": null,
  "key.revoked": null,
  "invitation.expired": null,
  "invitation.undeliverable": null,
};

// Its actor is the owner of the server, whichever member added the bot.
const SHOWN_TO_ACTOR: ReadonlySet<EventType> = new Set<EventType>(["guild.joined"]);
// Leaving and being removed are the same event; either way it explains why the page was emptied.
const SHOWN_TO_SUBJECT: ReadonlySet<EventType> = new Set<EventType>(["member.left"]);

// Administrators receive it about every person, and it is news only to that person.
const SHOWN_ONLY_TO_SUBJECT: ReadonlySet<EventType> = new Set<EventType>(["person.changed"]);

/** Build the toast of an event; null if it has none or the reader caused it. */
export function createToast<T extends EventType>(
  type: T,
  data: EventData[T],
  readerIds: ReadonlySet<string>,
): Toast | null {
  if (!Object.hasOwn(TOASTS, type)) return null;
  if (SHOWN_ONLY_TO_SUBJECT.has(type) && !("person" in data && readerIds.has(data.person)))
    return null;
  const isShownAnyway =
    SHOWN_TO_ACTOR.has(type) || (SHOWN_TO_SUBJECT.has(type) && isAboutReader(data, readerIds));
  if (readerIds.has(data.actor) && !isShownAnyway) return null;
  return TOASTS[type]?.(data, readerIds) ?? null;
}

function createMessageToast(
  data: EventData["ticket.message_sent"],
  readerIds: ReadonlySet<string>,
): Toast {
  const isNote = data.line?.kind === "note";
  const name = data.line?.author?.name ?? data.authorUsername;
  if (data.mentions?.some((id) => readerIds.has(id))) {
    return createTicketToast(data, isNote ? labels.MENTIONED_IN_NOTE : labels.MENTIONED, null, {
      author: name,
    });
  }
  const from = t("From: %(side)s (%(name)s)", { side: t(data.messageType), name });
  return createTicketToast(data, isNote ? labels.NOTE_SENT : labels.MESSAGE_SENT, from);
}

/** Build a toast about a ticket: its text is the subject and `more`. */
function createTicketToast(
  data: TicketData,
  { ticket, request }: ToastWording,
  more?: string | null,
  values: Params = {},
): Toast {
  const isRequest = data.workspace?.startsWith("org:"); // a portal's word for a ticket
  const [one, [single, many]] = isRequest ? request : ticket;
  const name = data.now.reference ?? `#${data.now.number}`;
  return {
    title: t(one, { name, status: data.now.statusLabel, ...values }),
    tone: "info",
    text: [data.now.subject, more].filter(Boolean).join(" · "),
    href: data.now.href,
    groupTitle: (n) => tn(single, many, n),
  };
}

/** Add the organization's name to a toast, unless it is the reader's active organization. */
export function withOrganization(
  toast: Toast,
  data: object,
  activeWorkspace: string | null,
): Toast {
  if (!("now" in data) || !("workspace" in data) || data.workspace === activeWorkspace)
    return toast;
  const { place } = data.now as { place?: { name: string } | null };
  if (!place) return toast;
  return { ...toast, text: [place.name, toast.text].filter(Boolean).join(" · ") };
}

/** Build the toast of a linked or unlinked account; other changes are not news to that person. */
function createIdentityToast(linked?: string | null, unlinked?: string | null): Toast | null {
  const provider = linked ?? unlinked;
  if (!provider) return null;
  const values = { provider: capitalize(provider) };
  const title = linked
    ? t("%(provider)s account linked", values)
    : t("%(provider)s account unlinked", values);
  return { title, tone: linked ? "success" : "warning", groupTitle: () => title };
}

function describeChanges(names: string[]): string {
  const fields = names.map((name) => t(labels.FIELD_LABELS[name] ?? name)).join(", ");
  return names.length > 0 ? t("Changed: %(fields)s", { fields }) : "";
}

function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
