// Build events as the server sends them.

import type { Envelope, EventData, Line, TicketSnapshot } from "../src/generated/events";

export const GUILD = "guild:1";

export function ticketNow(changed: Partial<TicketSnapshot> = {}): TicketSnapshot {
  return {
    id: "t1",
    number: 7,
    subject: "The printer is on fire",
    status: "new",
    statusLabel: "Submitted",
    tags: [],
    messages: 0,
    openedAt: 1000,
    activeAt: 2000,
    href: "/guilds/1/tickets/7",
    ...changed,
  };
}

export const LINE: Line = { id: "l1", kind: "reply", html: "<p>Hello</p>", at: 2000 };

export function ticketCreated(
  changed: Partial<EventData["ticket.created"]> = {},
): EventData["ticket.created"] {
  return {
    workspace: GUILD,
    actor: "discord:5",
    guildId: "1",
    ticket: "t1",
    revision: 1,
    now: ticketNow(),
    subject: "The printer is on fire",
    openerId: "5",
    openerUsername: "bo",
    ...changed,
  };
}

export function ticketMessageSent(
  changed: Partial<EventData["ticket.message_sent"]> = {},
): EventData["ticket.message_sent"] {
  return {
    workspace: GUILD,
    actor: "discord:5",
    ticket: "t1",
    revision: 2,
    now: ticketNow({ messages: 1 }),
    line: LINE,
    messageId: "m1",
    authorId: "5",
    authorUsername: "bo",
    messageType: "customer",
    hasAttachments: false,
    messageLength: 5,
    ...changed,
  };
}

export function ticketCreatedEvent(): Envelope<"ticket.created"> {
  return { type: "ticket.created", data: ticketCreated(), timestamp: 1 };
}
