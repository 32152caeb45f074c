// Parse what a stream sends: events, and the named control frames around them.

import type { Envelope } from "../generated/events";

export type ConnectOutcome = "live" | "resumed" | "reset";

/** The first frame of a stream. */
export interface Connected {
  type: "connected";
  verdict: ConnectOutcome;
  position: string; // cursor
  seat: string; // the subscription's id, as the server logs it
  because: string | null; // reason: behind, epoch, future, unreadable or slow; null: none
  channels: readonly string[]; // all channels the viewer holds; with a digest, only their own
  digest?: string; // of all channels, where there are more than 64
}

/** The last frame of a stream that the server ends. */
export interface Goodbye {
  reason: string;
  retry?: number; // ms to wait before reconnecting
}

/** One frame, as plain data that can be posted to another tab.
 *
 * `id` is the cursor after this frame. The payload is called `told` on the tab channel, which tabs
 * of an older build read too; renaming it needs a new PROTOCOL_VERSION in tab_channel.ts.
 */
export type Frame = { id: string } & (
  | { name: "connected"; told: Connected }
  | { name: "event"; told: Envelope }
  | { name: "tick"; told: { position: string; time: number } }
  | { name: "granted"; told: { channels: string[] } }
  | { name: "revoked"; told: { channels: string[] } }
  | { name: "reset"; told: { because: string | null; position: string } }
  | { name: "notice"; told: { about: string } }
  | { name: "goodbye"; told: Goodbye }
);

export type EventFrame = Extract<Frame, { name: "event" }>;

export const CONTROL_FRAMES = ["tick", "granted", "revoked", "reset", "notice", "goodbye"] as const;

/** Parse one server-sent event; null if it is malformed. */
export function parseFrame(name: string, id: string, data: string): Frame | null {
  const told = parseObject(data);
  if (!told) return null;
  if (name !== "message") return { name, id, told } as unknown as Frame;
  if (told["type"] === "connected") return { name: "connected", id, told } as unknown as Frame;
  const isEvent = typeof told["type"] === "string" && isObject(told["data"]);
  return isEvent ? ({ name: "event", id, told } as unknown as Frame) : null;
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
