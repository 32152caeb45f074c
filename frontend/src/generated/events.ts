// Every event as TypeScript sees it. Written by `python -m deskwire.events.generate`:
// edit src/deskwire/events/catalogue.py instead.

/** What a set gained and lost. */
export interface AddedRemoved {
  added: ReadonlyArray<string>;
  removed: ReadonlyArray<string>;
}

/** A Discord server was deleted here, by hand in the database; it is gone from every list. */
export interface GuildDeleted {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  /** of the guild's row */
  revision: number;
  now: GuildNow;
}

/** The bot was added to a Discord server. */
export interface GuildJoined {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  /** of the guild's row */
  revision: number;
  now: GuildNow;
  guildName: string;
  ownerId: string;
  memberCount: number;
}

/** The bot was removed from a Discord server. Everything is kept, read-only. */
export interface GuildLeft {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  /** of the guild's row */
  revision: number;
  now: GuildNow;
}

/** A guild's state after the event: all a row shows. */
export interface GuildNow {
  id: string;
  name: string;
  initials: string;
  members?: number | null;
  botInstalled: boolean;
  href: string;
}

/** The bot was set up in a Discord server. */
export interface GuildSetupComplete {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  /** of the guild's row */
  revision: number;
  now: GuildNow;
  supportCategoryId?: string | null;
  transcriptsChannelId?: string | null;
  logChannelId?: string | null;
  defaultRoleId?: string | null;
}

/** Something else about a Discord server changed, by hand in the database. */
export interface GuildUpdated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  /** of the guild's row */
  revision: number;
  now: GuildNow;
}

/** One entry of a ticket's timeline. */
export interface Line {
  id: string;
  kind: "reply" | "note" | "system";
  side?: "customer" | "staff" | "bot" | null;
  author?: Who | null;
  /** sanitised; safe to insert */
  html: string;
  /** ms */
  at: number;
}

/** A Discord user left the server, and with it every role there. */
export interface MemberLeft {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  userId: string;
  username: string;
  hadOpenTickets: boolean;
  wasTeamMember: boolean;
  /** of the Discord member's row */
  revision: number;
}

/** What one person may do in a workspace changed (an individual permission). */
export interface MemberRoleChanged {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  member: Who;
  permissions: ReadonlyArray<string>;
  /** of the member's row */
  revision: number;
}

/** A value before and after. */
export interface OldNew {
  old?: string | null;
  new?: string | null;
}

/** A person's name or identities changed (a Discord account was linked, say). */
export interface PersonChanged {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  person: string;
  name: string;
  /** where an identity was gained: `discord` */
  linked?: string | null;
  /** where an identity was lost */
  unlinked?: string | null;
  /** of the person's row */
  revision: number;
}

/** A session ended: by sign-out, by a new password, or from afar. Its streams end with it. */
export interface SessionRevoked {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** the session's public id */
  session: string;
}

/** Somebody was given a team role. */
export interface TeamMemberAssigned {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  userId: string;
  username: string;
  roleId: string;
  roleName: string;
  action: "assigned" | "unassigned";
  /** of the membership's row */
  revision: number;
}

/** A team role was taken from somebody. */
export interface TeamMemberUnassigned {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  userId: string;
  username: string;
  roleId: string;
  roleName: string;
  action: "assigned" | "unassigned";
  /** of the membership's row */
  revision: number;
}

/** A team role appeared in a Discord server. */
export interface TeamRoleCreated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  roleId: string;
  roleName: string;
  action: "created" | "updated" | "deleted";
  changes?: Readonly<Record<string, unknown>> | null;
  /** of the role's row */
  revision: number;
}

/** A team role was deleted; it grants nothing from this event on. */
export interface TeamRoleDeleted {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  roleId: string;
  roleName: string;
  action: "created" | "updated" | "deleted";
  changes?: Readonly<Record<string, unknown>> | null;
  /** of the role's row */
  revision: number;
}

/** A team role's name or permissions changed. */
export interface TeamRoleUpdated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  guildId: string;
  roleId: string;
  roleName: string;
  action: "created" | "updated" | "deleted";
  changes?: Readonly<Record<string, unknown>> | null;
  /** of the role's row */
  revision: number;
}

/** What `ticket.updated` changed. */
export interface TicketChanges {
  subject?: OldNew | null;
  priority?: OldNew | null;
  tags?: AddedRemoved | null;
}

/** Somebody of the team took the ticket on. */
export interface TicketClaimed {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  /** the sender's word */
  oldStatus: string;
  /** the sender's word */
  newStatus: string;
  actorId: string;
  reason?: string | null;
}

/** A ticket was closed. */
export interface TicketClosed {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  /** the sender's word */
  oldStatus: string;
  /** the sender's word */
  newStatus: string;
  actorId: string;
  reason?: string | null;
}

/** A ticket was opened. */
export interface TicketCreated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  subject: string;
  openerId: string;
  openerUsername: string;
  panelId?: string | null;
  categoryId?: string | null;
}

/** A ticket was deleted; it is gone from every list and page. */
export interface TicketDeleted {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  deletedBy: string;
  reason?: string | null;
}

/** A message is gone from the timeline. */
export interface TicketMessageDeleted {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  /** our id */
  message: string;
}

/** A message was changed; `line` is what it shows now. */
export interface TicketMessageEdited {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  /** our id */
  message: string;
}

/** Somebody wrote in a ticket. `content` is there if the sender sent the text. */
export interface TicketMessageSent {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  messageId: string;
  authorId: string;
  authorUsername: string;
  messageType: "customer" | "staff" | "bot";
  hasAttachments: boolean;
  messageLength: number;
  content?: string | null;
}

/** A ticket's state after the event: all a row or a header shows. */
export interface TicketNow {
  id: string;
  number: number;
  subject: string;
  status: "new" | "active" | "waiting" | "review" | "done" | "canceled";
  statusLabel: string;
  opener?: Who | null;
  assignee?: Who | null;
  priority?: string | null;
  tags: ReadonlyArray<string>;
  /** public replies so far */
  messages: number;
  /** ms */
  openedAt: number;
  /** ms; the newest thing that happened to it */
  activeAt: number;
  href: string;
}

/** A ticket's status changed. */
export interface TicketStatusChanged {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  /** the sender's word */
  oldStatus: string;
  /** the sender's word */
  newStatus: string;
  actorId: string;
  reason?: string | null;
}

/** A ticket's subject, priority or tags changed. */
export interface TicketUpdated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** absent for an organization's ticket */
  guildId?: string | null;
  /** the sender's own id */
  ticketId?: number | null;
  /** the sender's own number */
  ticketNumber?: number | null;
  /** our id */
  ticket: string;
  /** of the ticket's row */
  revision: number;
  now: TicketNow;
  /** what the timeline gains */
  line?: Line | null;
  changes: TicketChanges;
  actorId: string;
}

/** Somebody, as a screen names them. */
export interface Who {
  /** a person's id, or `discord:ID` */
  id: string;
  name: string;
}

/** The data of each type. */
export interface EventData {
  "guild.joined": GuildJoined;
  "guild.left": GuildLeft;
  "guild.setup_complete": GuildSetupComplete;
  "guild.updated": GuildUpdated;
  "guild.deleted": GuildDeleted;
  "ticket.created": TicketCreated;
  "ticket.updated": TicketUpdated;
  "ticket.deleted": TicketDeleted;
  "ticket.message_sent": TicketMessageSent;
  "ticket.message_edited": TicketMessageEdited;
  "ticket.message_deleted": TicketMessageDeleted;
  "ticket.status_changed": TicketStatusChanged;
  "ticket.claimed": TicketClaimed;
  "ticket.closed": TicketClosed;
  "team.role_created": TeamRoleCreated;
  "team.role_updated": TeamRoleUpdated;
  "team.role_deleted": TeamRoleDeleted;
  "team.member_assigned": TeamMemberAssigned;
  "team.member_unassigned": TeamMemberUnassigned;
  "member.left": MemberLeft;
  "member.role_changed": MemberRoleChanged;
  "person.changed": PersonChanged;
  "session.revoked": SessionRevoked;
}

export type EventType = keyof EventData;

export const EVENT_TYPES = [
  "guild.joined",
  "guild.left",
  "guild.setup_complete",
  "guild.updated",
  "guild.deleted",
  "ticket.created",
  "ticket.updated",
  "ticket.deleted",
  "ticket.message_sent",
  "ticket.message_edited",
  "ticket.message_deleted",
  "ticket.status_changed",
  "ticket.claimed",
  "ticket.closed",
  "team.role_created",
  "team.role_updated",
  "team.role_deleted",
  "team.member_assigned",
  "team.member_unassigned",
  "member.left",
  "member.role_changed",
  "person.changed",
  "session.revoked",
] as const;

export const STATUS_WORDS = ["new", "active", "waiting", "review", "done", "canceled"] as const;

export const LINE_KINDS = ["reply", "note", "system"] as const;

export const SIDES = ["customer", "staff", "bot"] as const;

/** The data of one type of event. */
export type EventOf<T extends EventType> = EventData[T];

/** An event as it arrives: `timestamp` is in milliseconds. */
export type Envelope<T extends EventType = EventType> = {
  [K in T]: { type: K; data: EventData[K]; timestamp: number };
}[T];
