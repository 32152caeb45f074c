// What each event says to the person in front of the screen: one row of the table per type.

import { isAbout } from "./held";
import type { EventData, EventType, TicketNow } from "./generated/events";

export interface Toast {
  title: string;
  tone: "info" | "success" | "warning" | "danger";
  text?: string;
  href?: string;
  /** The title when `n` of its kind come in one burst. */
  many(n: number): string;
}

type Teller<T extends EventType> = (data: EventData[T]) => Toast | null;

interface TicketData {
  workspace?: string | null;
  now: TicketNow;
}

/** Every event, or `null` where a toast would only disturb. */
export const TOASTS: { readonly [T in EventType]: Teller<T> | null } = {
  "guild.joined": ({ now }) => ({
    title: `Bot installed in ${now.name}!`,
    tone: "success",
    href: now.href,
    many: (n) => `Bot installed in ${n} servers`,
  }),
  "guild.left": ({ now }) => ({
    title: `Bot removed from ${now.name}`,
    tone: "warning",
    href: now.href,
    many: (n) => `Bot removed from ${n} servers`,
  }),
  "guild.setup_complete": ({ now }) => ({
    title: "Bot setup completed!",
    text: now.name,
    tone: "success",
    href: now.href,
    many: (n) => `Bot setup completed ${n} times`,
  }),
  "guild.updated": null,
  "guild.deleted": ({ now }) => ({
    title: `${now.name} was deleted here`,
    tone: "warning",
    many: (n) => `${n} servers were deleted here`,
  }),
  "ticket.created": (data) => ({
    ...about(data, "created"),
    title: `New ${named(data)} created`,
    text: `Subject: ${data.subject}`,
    many: (n) => `${n} new ${plural(data)}`,
  }),
  "ticket.updated": (data) => ({
    ...about(data, "updated"),
    ...withText(changed(Object.keys(data.changes))),
  }),
  "ticket.deleted": ({ reason, ...data }) => {
    const { href: _gone, ...toast } = about(data, "deleted");
    return { ...toast, tone: "warning", ...withText(reason) };
  },
  "ticket.message_sent": (data) => ({
    ...about(data, "message"),
    title: `New ${data.line?.kind === "note" ? "note" : "message"} in ${named(data)}`,
    text: `From: ${data.messageType} (${data.line?.author?.name ?? data.authorUsername})`,
    many: (n) => `${n} new messages`,
  }),
  "ticket.message_edited": null,
  "ticket.message_deleted": null,
  "ticket.status_changed": (data) => ({
    ...about(data, "changed"),
    title: `${capital(named(data))} changed to ${data.now.statusLabel}`,
    many: (n) => `${n} status changes`,
  }),
  "ticket.claimed": (data) => ({
    ...about(data, "claimed"),
    ...withText(data.now.assignee && `By ${data.now.assignee.name}`),
  }),
  "ticket.closed": ({ reason, ...data }) => ({
    ...about(data, "closed"),
    tone: "success",
    ...withText(reason),
  }),
  "team.role_created": (data) => role(data.roleName, "created"),
  "team.role_updated": (data) => role(data.roleName, "updated"),
  "team.role_deleted": (data) => role(data.roleName, "deleted"),
  "team.member_assigned": ({ username, roleName }) => ({
    title: `${username} assigned to ${roleName}`,
    tone: "info",
    many: (n) => `${n} team roles assigned`,
  }),
  "team.member_unassigned": ({ username, roleName }) => ({
    title: `${username} removed from ${roleName}`,
    tone: "info",
    many: (n) => `${n} team roles taken`,
  }),
  "member.left": ({ username }) => ({
    title: `${username} left the server`,
    tone: "warning",
    many: (n) => `${n} people left the server`,
  }),
  "member.role_changed": null,
  "person.changed": ({ linked, unlinked }) => identity(linked, unlinked), // to that person alone
  "session.revoked": null,
  "ticket.reopened": (data) => about(data, "reopened"),
  "ticket.assigned": (data) => ({
    ...about(data, "assigned"),
    ...withText(data.now.assignee && `To ${data.now.assignee.name}`),
  }),
  "ticket.unclaimed": (data) => about(data, "given back"),
  "ticket.participant_added": null,
  "ticket.participant_removed": null,
  "ticket.file_added": null, // the message it came with is told
  "ticket.file_removed": null,
  "ticket.read": null,
  "organization.created": null,
  "organization.renamed": null,
  "organization.updated": null,
  "organization.visibility_changed": ({ name }) => ({
    title: `Who sees the requests of ${name} has changed`,
    tone: "info",
    many: (n) => `Who sees requests has changed in ${n} organizations`,
  }),
  "organization.deleted": ({ name }) => ({
    title: `${name} was deleted`,
    tone: "warning",
    many: (n) => `${n} organizations were deleted`,
  }),
  "member.joined": ({ member, place }) => ({
    title: `${member.name} joined ${place.name}`,
    tone: "info",
    many: (n) => `${n} people joined`,
  }),
  "member.removed": ({ member, place }) => ({
    title: `${member.name} is no longer in ${place.name}`,
    tone: "warning",
    many: (n) => `${n} people are no longer members`,
  }),
  "invitation.created": null,
  "invitation.accepted": null,
  "invitation.revoked": null,
};

// The wire names the owner of the server, not who added the bot to it.
const OWN_TOO: ReadonlySet<EventType> = new Set<EventType>(["guild.joined"]);
// Nor does it tell leaving from being removed; either way this is why the page went.
const OWN_IF_ABOUT: ReadonlySet<EventType> = new Set<EventType>(["member.left"]);

// The administration's pages hear of everybody's; it is no news to who looks at them.
const OWN_ONLY: ReadonlySet<EventType> = new Set<EventType>(["person.changed"]);

/** The toast of an event, or null: none is due, or one of `own` (the reader) did it. */
export function toastOf<T extends EventType>(
  type: T,
  data: EventData[T],
  own: ReadonlySet<string>,
): Toast | null {
  if (!Object.hasOwn(TOASTS, type)) return null;
  if (OWN_ONLY.has(type) && !("person" in data && own.has(data.person))) return null;
  const isTold = OWN_TOO.has(type) || (OWN_IF_ABOUT.has(type) && isAbout(data, own));
  if (own.has(data.actor) && !isTold) return null;
  return TOASTS[type]?.(data) ?? null;
}

function about(data: TicketData, done: string): Toast {
  return {
    title: `${capital(named(data))} ${done}`,
    tone: "info",
    href: data.now.href,
    many: (n) => `${n} ${plural(data)} ${done}`,
  };
}

/** The same, naming the organization, unless that is the one the reader is in. */
export function placed(toast: Toast, data: object, active: string | null): Toast {
  if (!("now" in data) || !("workspace" in data) || data.workspace === active) return toast;
  const { place } = data.now as { place?: { name: string } | null };
  if (!place) return toast;
  return { ...toast, text: [place.name, toast.text].filter(Boolean).join(" · ") };
}

/** An organization's ticket is called a request in every text. */
function named(data: TicketData): string {
  return `${plural(data).slice(0, -1)} ${data.now.reference ?? `#${data.now.number}`}`;
}

function plural({ workspace }: TicketData): "requests" | "tickets" {
  return workspace?.startsWith("org:") ? "requests" : "tickets";
}

function role(name: string, done: string): Toast {
  const many = (n: number): string => `${n} team roles ${done}`;
  return { title: `Team role ${name} ${done}`, tone: "info", many };
}

/** Only what changes what one sees: a new name is no news to whoever chose it. */
function identity(linked?: string | null, unlinked?: string | null): Toast | null {
  const provider = linked ?? unlinked;
  if (!provider) return null;
  const title = `${capital(provider)} account ${linked ? "linked" : "unlinked"}`;
  return { title, tone: linked ? "success" : "warning", many: () => title };
}

function changed(names: string[]): string {
  return names.length > 0 ? `Changed: ${names.join(", ")}` : "";
}

function withText(text: string | null | undefined): { text?: string } {
  return text ? { text } : {};
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
