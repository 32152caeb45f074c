// Decide what the channels a reader holds allow them to see.

import type { Envelope } from "../generated/events";

const USER_CHANNEL_PREFIX = "user:"; // a channel of one person: `user:PERSON`

/** What a change of channels took away and added. */
export interface ChannelDiff {
  lost: string[];
  gained: string[];
}

/** Compare two sets of channels. */
export function diffChannels(before: ReadonlySet<string>, after: ReadonlySet<string>): ChannelDiff {
  return {
    lost: [...before].filter((channel) => !after.has(channel)),
    gained: [...after].filter((channel) => !before.has(channel)),
  };
}

/** Return whether a viewer who holds `held` may see an element with `data-held="CHANNELS"`. */
export function isVisible(channels: string, held: ReadonlySet<string>): boolean {
  return splitWords(channels).some((channel) => held.has(channel));
}

/** List the channels on which the reader with `readerIds` receives an event.
 *
 * Events about the reader count as `user:PERSON` too, so that they survive the loss of a workspace.
 */
export function channelsOfEvent({ data }: Envelope, readerIds: ReadonlySet<string>): string[] {
  const { workspace } = data;
  const personal = isAboutReader(data, readerIds)
    ? [...readerIds].filter((name) => !name.includes(":"))
    : [];
  const own = personal.map((person) => USER_CHANNEL_PREFIX + person);
  if (!("ticket" in data)) return [...own, ...(workspace ? [workspace] : [])];
  if ("held" in data && data.held) return [...own, ...data.held];
  return [...own, ...(workspace ? [`tickets:${workspace}`] : []), `ticket:${data.ticket}`];
}

/** Return whether an event is about the reader, as a person or as a Discord user. */
export function isAboutReader(data: object, readerIds: ReadonlySet<string>): boolean {
  if ("person" in data && readerIds.has(String(data.person))) return true;
  return "userId" in data && readerIds.has(`discord:${String(data.userId)}`);
}

/** Return whether a stream with `channels` is the reader's: it has no other person's channel. */
export function isOwnStream(channels: readonly string[], readerIds: ReadonlySet<string>): boolean {
  const people = channels.filter((channel) => channel.startsWith(USER_CHANNEL_PREFIX));
  return people.every((channel) => readerIds.has(channel.slice(USER_CHANNEL_PREFIX.length)));
}

/** Split a space-separated attribute into words. */
export function splitWords(text: string | null | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

/** The channels a viewer holds; null until they are known. */
export class ChannelSet {
  #channels: ReadonlySet<string> | null;

  constructor(channels: Iterable<string> | null) {
    this.#channels = channels && new Set(channels);
  }

  get channels(): ReadonlySet<string> | null {
    return this.#channels;
  }

  /** Replace all channels; the first replacement of an unknown set changes nothing. */
  replace(channels: Iterable<string>): ChannelDiff {
    const after = new Set(channels);
    const diff = diffChannels(this.#channels ?? after, after);
    this.#channels = after;
    return diff;
  }

  grant(channels: Iterable<string>): ChannelDiff {
    return this.replace([...(this.#channels ?? []), ...channels]);
  }

  revoke(channels: Iterable<string>): ChannelDiff {
    const revoked = new Set(channels);
    return this.replace([...(this.#channels ?? [])].filter((channel) => !revoked.has(channel)));
  }
}

/** Return whether an element with `data-held="CHANNELS"` shows something of `workspace`. */
export function isOfWorkspace(channels: string, workspace: string): boolean {
  return splitWords(channels).some(
    (name) => name === workspace || name.startsWith(`${workspace}:`),
  );
}

/** Return whether `event` is about a ticket of the organization that `deletion` deleted. */
export function isTicketOfDeleted({ data }: Envelope, deletion: Envelope): boolean {
  return "ticket" in data && data.workspace === deletion.data.workspace;
}
