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

/** Something that tells which channels are held. */
export interface HeldChannels {
  has(channel: string): boolean;
}

/** Return whether a viewer who holds `held` may see an element with `data-held="CHANNELS"`. */
export function isVisible(channels: string, held: HeldChannels): boolean {
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

/** The channels of a `connected` frame. */
export interface ToldChannels {
  channels: readonly string[];
  digest?: string; // of all channels, where there are too many to list; `channels` is then a part
}

/** Return the digest of channels: COUNT-CRC32 of their sorted names, as the server computes it. */
export function digestChannels(channels: Iterable<string>): string {
  const names = [...channels].sort();
  return `${names.length}-${crc32(names.join("\n")).toString(16).padStart(8, "0")}`;
}

/** The channels a viewer holds.
 *
 * They are unknown before the page or the stream has stated them, and once the stream has stated
 * the digest of others. Whatever was not revoked since then counts as held.
 */
export class ChannelSet {
  #channels: ReadonlySet<string> | null;
  #revoked: Set<string> | null = null; // since a digest differed; null: none has
  #digest: string | null = null; // the digest that differed, until the channels change again

  constructor(channels: Iterable<string> | null) {
    this.#channels = channels && new Set(channels);
  }

  /** What is held; null until anything was stated. */
  get held(): HeldChannels | null {
    const revoked = this.#revoked;
    return this.#channels ?? (revoked && { has: (channel) => !revoked.has(channel) });
  }

  /** State the channels to another tab; `own` are those that the stream named beside a digest. */
  told(own: readonly string[]): ToldChannels {
    if (this.#revoked) return { channels: own, digest: this.#digest ?? "" };
    return { channels: [...(this.#channels ?? [])] };
  }

  /** Compare with the channels of a stream; null: they are not the ones known so far. */
  connect({ channels, digest }: ToldChannels): ChannelDiff | null {
    if (digest === undefined) {
      const wasUnknown = this.#revoked !== null;
      const diff = this.#replace(channels);
      return wasUnknown ? null : diff;
    }
    const known = this.#channels ? digestChannels(this.#channels) : this.#digest;
    const isFirst = this.#channels === null && this.#revoked === null;
    if (known === digest) return { lost: [], gained: [] };
    this.#channels = null;
    this.#revoked = new Set();
    this.#digest = digest;
    return isFirst ? { lost: [], gained: [] } : null;
  }

  grant(channels: readonly string[]): ChannelDiff {
    if (!this.#revoked) return this.#replace([...(this.#channels ?? []), ...channels]);
    for (const channel of channels) this.#revoked.delete(channel);
    this.#digest = null;
    return { lost: [], gained: [...channels] };
  }

  revoke(channels: readonly string[]): ChannelDiff {
    if (this.#revoked) {
      for (const channel of channels) this.#revoked.add(channel);
      this.#digest = null;
      return { lost: [...channels], gained: [] };
    }
    const revoked = new Set(channels);
    return this.#replace([...(this.#channels ?? [])].filter((channel) => !revoked.has(channel)));
  }

  /** Replace all channels; the first replacement of an unknown set changes nothing. */
  #replace(channels: Iterable<string>): ChannelDiff {
    const after = new Set(channels);
    const diff = diffChannels(this.#channels ?? after, after);
    this.#channels = after;
    this.#revoked = null;
    this.#digest = null;
    return diff;
  }
}

/** Return the CRC-32 of ASCII text, as zlib computes it. */
function crc32(text: string): number {
  let crc = ~0;
  for (let index = 0; index < text.length; index++) {
    crc ^= text.charCodeAt(index);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
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
