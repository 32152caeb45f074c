// The channels this viewer holds, and what must go from the page when one is lost.

import type { Envelope } from "../generated/events";

const USER_CHANNEL_PREFIX = "user:"; // how a channel of one person begins

export interface ChannelDiff {
  lost: string[];
  gained: string[];
}

/** What `after` has less and more than `before`. */
export function diffChannels(before: ReadonlySet<string>, after: ReadonlySet<string>): ChannelDiff {
  return {
    lost: [...before].filter((channel) => !after.has(channel)),
    gained: [...after].filter((channel) => !before.has(channel)),
  };
}

/** Whether an element marked `data-held="…"` may still be seen. */
export function isVisible(channels: string, held: ReadonlySet<string>): boolean {
  return splitWords(channels).some((channel) => held.has(channel));
}

/** The channels that show `event` to who is known as `own`: what is about oneself, one keeps. */
export function channelsOfEvent({ data }: Envelope, readerIds: ReadonlySet<string>): string[] {
  const { workspace } = data;
  const personal = isAboutReader(data, readerIds)
    ? [...readerIds].filter((name) => !name.includes(":"))
    : [];
  const mark = personal.map((person) => USER_CHANNEL_PREFIX + person);
  if (!("ticket" in data)) return [...mark, ...(workspace ? [workspace] : [])];
  if ("held" in data && data.held) return [...mark, ...data.held];
  return [...mark, ...(workspace ? [`tickets:${workspace}`] : []), `ticket:${data.ticket}`];
}

/** Whether `data` tells of the person, or the Discord user, who is known as one of `own`. */
export function isAboutReader(data: object, readerIds: ReadonlySet<string>): boolean {
  if ("person" in data && readerIds.has(String(data.person))) return true;
  return "userId" in data && readerIds.has(`discord:${String(data.userId)}`);
}

/** Whether a stream that holds `channels` is that of the reader, known as `own`. */
export function isOwnStream(channels: readonly string[], readerIds: ReadonlySet<string>): boolean {
  const people = channels.filter((channel) => channel.startsWith(USER_CHANNEL_PREFIX));
  return people.every((channel) => readerIds.has(channel.slice(USER_CHANNEL_PREFIX.length)));
}

/** The words of a space-separated attribute. */
export function splitWords(text: string | null | undefined): string[] {
  return (text ?? "").split(/\s+/).filter((word) => word !== "");
}

/** The set of channels held, or null while nothing is known yet. */
export class ChannelSet {
  #channels: ReadonlySet<string> | null;

  constructor(channels: Iterable<string> | null) {
    this.#channels = channels && new Set(channels);
  }

  get channels(): ReadonlySet<string> | null {
    return this.#channels;
  }

  /** Hold exactly `channels` from now on. */
  replace(channels: Iterable<string>): ChannelDiff {
    const after = new Set(channels);
    const changed = diffChannels(this.#channels ?? after, after);
    this.#channels = after;
    return changed;
  }

  grant(channels: Iterable<string>): ChannelDiff {
    return this.replace([...(this.#channels ?? []), ...channels]);
  }

  revoke(channels: Iterable<string>): ChannelDiff {
    const gone = new Set(channels);
    return this.replace([...(this.#channels ?? [])].filter((channel) => !gone.has(channel)));
  }
}

/** Whether an element marked `data-held="…"` shows something of `workspace`. */
export function isOfWorkspace(channels: string, workspace: string): boolean {
  return splitWords(channels).some(
    (name) => name === workspace || name.startsWith(`${workspace}:`),
  );
}

/** Whether `event` tells of a request of the organization that `deletion` tells the end of. */
export function isTicketOfDeleted({ data }: Envelope, deletion: Envelope): boolean {
  return "ticket" in data && data.workspace === deletion.data.workspace;
}
