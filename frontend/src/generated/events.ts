// Every event as TypeScript sees it. Written by `make generate`:
// edit src/deskwire/events/types/registry.py instead.

/** What a set gained and lost. */
export interface AddedRemoved {
  added: ReadonlyArray<string>;
  removed: ReadonlyArray<string>;
}

/** A file of a ticket, as a screen shows it. */
export interface FileShape {
  id: string;
  name: string;
  /** media type, by its content */
  type: string;
  /** bytes */
  size: number;
  /** for people, as `1.4 MB` */
  sizeText: string;
  /** where it is downloaded */
  href: string;
  /** where a small picture of it is */
  preview?: string | null;
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
  now: GuildSnapshot;
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
  now: GuildSnapshot;
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
  now: GuildSnapshot;
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
  now: GuildSnapshot;
  supportCategoryId?: string | null;
  transcriptsChannelId?: string | null;
  logChannelId?: string | null;
  defaultRoleId?: string | null;
}

/** A guild's state after the event: all a row shows. */
export interface GuildSnapshot {
  id: string;
  name: string;
  initials: string;
  members?: number | null;
  botInstalled: boolean;
  href: string;
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
  now: GuildSnapshot;
}

/** Somebody who was invited has accepted; `member.joined` tells who. */
export interface InvitationAccepted {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  invitation: string;
  /** masked, as `b…@example.org` */
  email: string;
  role: string;
}

/** Somebody was invited into an organization. */
export interface InvitationCreated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  invitation: string;
  /** masked, as `b…@example.org` */
  email: string;
  role: string;
}

/** An invitation was taken back. */
export interface InvitationRevoked {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  invitation: string;
  /** masked, as `b…@example.org` */
  email: string;
  role: string;
}

/** One entry of a ticket's timeline. */
export interface Line {
  id: string;
  kind: "reply" | "note" | "system";
  side?: "customer" | "staff" | "bot" | null;
  author?: PrincipalRef | null;
  /** sanitised; safe to insert */
  html: string;
  /** ms */
  at: number;
  /** ms; when its author changed it */
  editedAt?: number | null;
  /** where its author changes or deletes it */
  href?: string | null;
  /** sent with it */
  files?: ReadonlyArray<FileShape> | null;
}

/** Somebody became a member of an organization. */
export interface MemberJoined {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  member: PrincipalRef;
  role: string;
  /** the organization */
  place: NamedRef;
  /** of the member's row */
  revision: number;
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

/** Somebody is no member of an organization any more: they left, or were removed. */
export interface MemberRemoved {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  member: PrincipalRef;
  /** the organization */
  place: NamedRef;
}

/** What one person may do in a workspace changed: a role in an organization, or an individual permission in a Discord server. */
export interface MemberRoleChanged {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  member: PrincipalRef;
  /** in a Discord server; empty in an organization */
  permissions: ReadonlyArray<string>;
  /** in an organization */
  role?: string | null;
  /** the organization */
  place?: NamedRef | null;
  /** of the member's row */
  revision: number;
}

/** Something with a name: an organization, a category. */
export interface NamedRef {
  id: string;
  name: string;
}

/** A value before and after. */
export interface OldNew {
  old?: string | null;
  new?: string | null;
}

/** An organization came to be. */
export interface OrganizationCreated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  organization: string;
  name: string;
  slug: string;
  /** of the organization's row */
  revision: number;
}

/** An organization was deleted, and with it every right in it. */
export interface OrganizationDeleted {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  organization: string;
  name: string;
  slug: string;
  /** of the organization's row */
  revision: number;
}

/** An organization has another name, or another address. */
export interface OrganizationRenamed {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  organization: string;
  name: string;
  slug: string;
  /** of the organization's row */
  revision: number;
  oldName: string;
  oldSlug: string;
}

/** Something else about an organization changed: what it says of itself, its categories. */
export interface OrganizationUpdated {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  organization: string;
  name: string;
  slug: string;
  /** of the organization's row */
  revision: number;
}

/** Who sees an organization's requests changed. What was told before is out of reach. */
export interface OrganizationVisibilityChanged {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** its id */
  organization: string;
  name: string;
  slug: string;
  /** of the organization's row */
  revision: number;
  /** `members` or `participants` */
  visibility: string;
}

/** A person's name, picture or identities changed (a Discord account was linked, say), or that they may sign in. */
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
  /** their id once more, if the account was deleted: no older event names them now */
  erased?: string | null;
  /** of the person's row */
  revision: number;
}

/** Somebody, as a screen names them. */
export interface PrincipalRef {
  /** a person's id, or `discord:ID` */
  id: string;
  name: string;
  /** where a picture of them is */
  picture?: string | null;
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

/** Somebody gave the ticket to another one of the team, as `now` tells. */
export interface TicketAssigned {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  actorId: string;
  /** who had it */
  before?: PrincipalRef | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  deletedBy: string;
  reason?: string | null;
}

/** A file was added to a ticket, or came with a message. */
export interface TicketFileAdded {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  file: FileShape;
  /** our id of the message it came with */
  message?: string | null;
}

/** A file of a ticket was deleted. */
export interface TicketFileRemoved {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  /** its id */
  file: string;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  messageId: string;
  authorId: string;
  authorUsername: string;
  messageType: "customer" | "staff" | "bot";
  hasAttachments: boolean;
  messageLength: number;
  content?: string | null;
  /** ids of the people it mentions */
  mentions?: ReadonlyArray<string> | null;
}

/** Somebody takes part in a ticket from now on, or watches it. */
export interface TicketParticipantAdded {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  participant: PrincipalRef;
  role: "added" | "watcher";
}

/** Somebody takes no part in a ticket any more. */
export interface TicketParticipantRemoved {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  participant: PrincipalRef;
  role: "added" | "watcher";
}

/** Somebody has read a ticket up to a moment; their other screens follow. */
export interface TicketRead {
  /** `guild:ID` or `org:ID` */
  workspace?: string | null;
  /** a person's id, or `discord:ID`, `bot`, `shell`, `sql` */
  actor: string;
  /** our id */
  ticket: string;
  /** ms; replies up to here are read */
  at: number;
}

/** A ticket that had ended goes on. */
export interface TicketReopened {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  /** the sender's word */
  oldStatus: string;
  /** the sender's word */
  newStatus: string;
  actorId: string;
  reason?: string | null;
}

/** A ticket's state after the event: all a row or a header shows. */
export interface TicketSnapshot {
  id: string;
  number: number;
  subject: string;
  status: "new" | "active" | "waiting" | "review" | "done" | "canceled";
  statusLabel: string;
  opener?: PrincipalRef | null;
  assignee?: PrincipalRef | null;
  priority?: string | null;
  tags: ReadonlyArray<string>;
  /** public replies so far */
  messages: number;
  /** ms */
  openedAt: number;
  /** ms; the newest thing that happened to it */
  activeAt: number;
  href: string;
  /** of a request, as `2026-R-000001` */
  reference?: string | null;
  category?: NamedRef | null;
  /** the organization a request is of */
  place?: NamedRef | null;
  /** ms; when it was completed or canceled */
  closedAt?: number | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  /** the sender's word */
  oldStatus: string;
  /** the sender's word */
  newStatus: string;
  actorId: string;
  reason?: string | null;
}

/** Nobody has the ticket any more. */
export interface TicketUnclaimed {
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  actorId: string;
  /** who had it */
  before?: PrincipalRef | null;
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
  now: TicketSnapshot;
  /** what the timeline gains */
  line?: Line | null;
  /** the channels that show it, where they do not follow from `workspace` */
  held?: ReadonlyArray<string> | null;
  changes: TicketChanges;
  actorId: string;
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
  "ticket.reopened": TicketReopened;
  "ticket.assigned": TicketAssigned;
  "ticket.unclaimed": TicketUnclaimed;
  "ticket.participant_added": TicketParticipantAdded;
  "ticket.participant_removed": TicketParticipantRemoved;
  "ticket.file_added": TicketFileAdded;
  "ticket.file_removed": TicketFileRemoved;
  "ticket.read": TicketRead;
  "organization.created": OrganizationCreated;
  "organization.renamed": OrganizationRenamed;
  "organization.updated": OrganizationUpdated;
  "organization.visibility_changed": OrganizationVisibilityChanged;
  "organization.deleted": OrganizationDeleted;
  "member.joined": MemberJoined;
  "member.removed": MemberRemoved;
  "invitation.created": InvitationCreated;
  "invitation.accepted": InvitationAccepted;
  "invitation.revoked": InvitationRevoked;
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
  "ticket.reopened",
  "ticket.assigned",
  "ticket.unclaimed",
  "ticket.participant_added",
  "ticket.participant_removed",
  "ticket.file_added",
  "ticket.file_removed",
  "ticket.read",
  "organization.created",
  "organization.renamed",
  "organization.updated",
  "organization.visibility_changed",
  "organization.deleted",
  "member.joined",
  "member.removed",
  "invitation.created",
  "invitation.accepted",
  "invitation.revoked",
] as const;

export const AUTHOR_KINDS = ["customer", "staff", "bot"] as const;

export const LINE_KINDS = ["reply", "note", "system"] as const;

export const STATUS_NAMES = ["new", "active", "waiting", "review", "done", "canceled"] as const;

/** The data of one type of event. */
export type EventOf<T extends EventType> = EventData[T];

/** An event as it arrives: `timestamp` is in milliseconds. */
export type Envelope<T extends EventType = EventType> = {
  [K in T]: { type: K; data: EventData[K]; timestamp: number };
}[T];
