// Parsing server-sent events into frames.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFrame } from "../src/stream/frames";

test("frames are distinguished by name and shape", () => {
  const event = JSON.stringify({ type: "ticket.created", data: {}, timestamp: 1 });
  assert.equal(parseFrame("message", "e-1", event)?.name, "event");
  assert.equal(parseFrame("message", "e-1", '{"type":"connected"}')?.name, "connected");
  assert.equal(parseFrame("tick", "e-1", '{"position":"e-1","time":1}')?.name, "tick");
  assert.equal(parseFrame("message", "e-1", "{"), null);
  assert.equal(parseFrame("message", "e-1", "null"), null);
  assert.equal(parseFrame("message", "e-1", '{"type":"x","data":null}'), null);
  assert.equal(parseFrame("message", "e-1", '{"type":"ticket.created"}'), null);
});
