// Reduce each event to the changes it makes on screen, as plain values: one row per event type.

import type {
  EventData,
  EventType,
  GuildSnapshot,
  Line,
  TicketSnapshot,
} from "../generated/events";

/** One change, which ui/dom.ts applies to the page. */
export type Change =
  | { kind: "upsert"; row: Row }
  | { kind: "remove"; key: string; revision: number }
  | { kind: "header"; ticket: string; revision: number; state: TicketSnapshot }
  | { kind: "line"; ticket: string; line: Line }
  | { kind: "ticket-deleted"; ticket: string }
  | { kind: "organization-deleted"; workspace: string }
  | { kind: "read"; ticket: string };

/** A row of a list, as an event describes it. */
export interface Row {
  list: "tickets" | "guilds";
  template: "ticket-row" | "guild-row";
  key: string;
  revision: number;
  workspace: string | null;
  status: string | null;
  activeAt: number | null; // ms since 1970; the list is sorted by it
  channels: string[]; // the channels that make it visible
  state: TicketSnapshot | GuildSnapshot;
}

type Reducer<T extends EventType> = (data: EventData[T]) => Change[];

interface TicketData {
  workspace?: string | null;
  ticket: string;
  revision: number;
  now: TicketSnapshot;
  line?: Line | null;
  held?: readonly string[] | null;
}

interface GuildData {
  guildId: string;
  revision: number;
  now: GuildSnapshot;
}

/** Every event, or `null` where only fragments change. */
export const REDUCERS: { readonly [T in EventType]: Reducer<T> | null } = {
  "guild.joined": reduceGuild,
  "guild.left": reduceGuild,
  "guild.setup_complete": reduceGuild,
  "guild.updated": reduceGuild,
  // A guild that comes back after its deletion starts again at revision 1.
  "guild.deleted": ({ guildId }) => [{ kind: "remove", key: `guild:${guildId}`, revision: 0 }],
  "ticket.created": reduceTicket,
  "ticket.updated": reduceTicket,
  "ticket.deleted": (data) => [
    { kind: "remove", key: `ticket:${data.ticket}`, revision: data.revision },
    { kind: "ticket-deleted", ticket: data.ticket },
  ],
  "ticket.message_sent": reduceTicket,
  "ticket.message_edited": reduceTicket, // the timeline reloads as a fragment after these two
  "ticket.message_deleted": reduceTicket,
  "ticket.status_changed": reduceTicket,
  "ticket.claimed": reduceTicket,
  "ticket.closed": reduceTicket,
  "team.role_created": null,
  "team.role_updated": null,
  "team.role_deleted": null,
  "team.member_assigned": null,
  "team.member_unassigned": null,
  "member.left": null,
  "member.role_changed": null,
  "person.changed": null,
  "session.created": null,
  "session.revoked": null,
  "ticket.reopened": reduceTicket,
  "ticket.assigned": reduceTicket,
  "ticket.unclaimed": reduceTicket,
  "ticket.participant_added": reduceTicket,
  "ticket.participant_removed": reduceTicket,
  "ticket.file_added": reduceTicket,
  "ticket.file_removed": reduceTicket,
  "ticket.read": ({ ticket: id }) => [{ kind: "read", ticket: id }],
  "organization.created": null,
  "organization.renamed": null,
  "organization.updated": null,
  "organization.visibility_changed": null, // channels are revoked and granted at the same time
  // The team loses no channel by it, so its pages have to be emptied explicitly.
  "organization.deleted": ({ workspace }) =>
    workspace ? [{ kind: "organization-deleted", workspace }] : [],
  "member.joined": null,
  "member.removed": null,
  "invitation.created": null,
  "invitation.accepted": null,
  "invitation.revoked": null,
  "key.created": null,
  "key.changed": null,
  "key.revoked": null,
  "invitation.expired": null,
  "invitation.undeliverable": null,
};

/** List the changes of one event; none for a type that this build does not know. */
export function reduceEvent<T extends EventType>(type: T, data: EventData[T]): Change[] {
  if (!Object.hasOwn(REDUCERS, type)) return [];
  return REDUCERS[type]?.(data) ?? [];
}

function reduceTicket(data: TicketData): Change[] {
  const { ticket: id, revision, now, line } = data;
  const changes: Change[] = [
    { kind: "upsert", row: toTicketRow(data) },
    { kind: "header", ticket: id, revision, state: now },
  ];
  return line ? [...changes, { kind: "line", ticket: id, line }] : changes;
}

function toTicketRow({ workspace, ticket: id, revision, now, held }: TicketData): Row {
  return {
    list: "tickets",
    template: "ticket-row",
    key: `ticket:${id}`,
    revision,
    workspace: workspace ?? null,
    status: now.status,
    activeAt: now.activeAt,
    channels: held ? [...held] : [...(workspace ? [`tickets:${workspace}`] : []), `ticket:${id}`],
    state: now,
  };
}

function reduceGuild({ guildId, revision, now }: GuildData): Change[] {
  const row: Row = {
    list: "guilds",
    template: "guild-row",
    key: `guild:${guildId}`,
    revision,
    workspace: `guild:${guildId}`,
    status: null,
    activeAt: null,
    channels: [`guild:${guildId}`],
    state: now,
  };
  return [{ kind: "upsert", row }];
}
