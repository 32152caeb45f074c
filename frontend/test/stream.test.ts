// The stream keeps its place, comes back on its own, and knows when it is dead.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Stream } from "../src/stream/stream";
import { FakeClock, FakeListener, FakeEnvironment, flushPromises } from "./fakes";
import { ticketCreatedEvent } from "./sample_events";

let clock: FakeClock;
let outside: FakeEnvironment;
let listener: FakeListener;
let stream: Stream;

beforeEach(() => {
  clock = new FakeClock();
  outside = new FakeEnvironment();
  listener = new FakeListener();
  stream = new Stream("/api/events", "aaaaaaaa-10", clock, outside, listener);
  stream.start();
});

test("it starts at the page's cursor", () => {
  assert.equal(outside.newest.url, "/api/events?after=aaaaaaaa-10");
});

test("without a cursor it starts now", () => {
  new Stream("/api/events", null, clock, outside, listener).start();

  assert.equal(outside.newest.url, "/api/events");
});

test("it is live only once the server has said so", () => {
  assert.equal(stream.state, "connecting");

  outside.newest.connect("aaaaaaaa-10");

  assert.equal(stream.state, "live");
  assert.deepEqual(listener.names, ["connected"]);
});

test("after an error it closes, waits, and comes back where it was", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.emit("message", "aaaaaaaa-12", ticketCreatedEvent());
  const broken = outside.newest;

  broken.fail();

  assert.ok(broken.isClosed);
  assert.equal(listener.state, "reconnecting");
  assert.deepEqual(outside.lines, ["reconnecting in 0.3 s (attempt 1)"]);
  clock.advance(250); // half of the base
  assert.equal(outside.newest.url, "/api/events?after=aaaaaaaa-12");
});

test("a tick moves the cursor, so that a quiet viewer does not age into a reset", () => {
  outside.newest.connect("aaaaaaaa-10");

  outside.newest.tick("aaaaaaaa-900");

  assert.equal(stream.cursor, "aaaaaaaa-900");
});

test("frames of a closed source are not heard", () => {
  const old = outside.newest;
  old.connect("aaaaaaaa-10");
  old.fail();

  old.emit("message", "aaaaaaaa-99", ticketCreatedEvent());

  assert.equal(stream.cursor, "aaaaaaaa-10");
  assert.deepEqual(listener.names, ["connected"]);
});

test("errors without end never end it, and never hurry it past half a minute", async () => {
  clock.randomValue = 0.999;
  for (let failure = 0; failure < 200; failure += 1) {
    const count = outside.sources.length;
    outside.newest.fail();
    await flushPromises();
    clock.advance(30_000);
    assert.equal(outside.sources.length, count + 1, `after failure ${failure}`);
  }

  outside.newest.connect("aaaaaaaa-10");

  assert.equal(listener.state, "live");
});

test("waits grow while it fails, and start anew once a stream has settled", () => {
  clock.randomValue = 0.999;
  for (let failure = 0; failure < 6; failure += 1) {
    outside.newest.fail();
    clock.advance(30_000);
  }
  outside.newest.connect("aaaaaaaa-10");
  clock.advance(10_000);
  outside.newest.fail();

  clock.advance(500);

  assert.equal(outside.newest.isClosed, false);
});

test("a platform that cuts every ten seconds costs a blip each time, and never more", () => {
  clock.randomValue = 0.999;
  for (let round = 1; round <= 8; round += 1) {
    outside.newest.connect(`aaaaaaaa-${round}`);
    clock.advance(9_900); // from the first frame; the platform counts from the request
    outside.newest.fail();
    clock.advance(500);
    assert.equal(outside.newest.isClosed, false);
  }
});

test("a server that accepts and drops at once is not hammered", () => {
  clock.randomValue = 0.999;
  for (let round = 0; round < 8; round += 1) {
    outside.newest.connect("aaaaaaaa-10");
    outside.newest.fail();
    clock.advance(30_000);
  }
  const count = outside.sources.length;
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.fail();

  clock.advance(20_000);

  assert.equal(outside.sources.length, count);
});

test("every third failure asks why, and 401 ends it", async () => {
  outside.status = 401;
  for (let failure = 0; failure < 3; failure += 1) {
    assert.equal(outside.probes, 0);
    outside.newest.fail();
    clock.advance(5_000);
  }
  await flushPromises();

  assert.equal(outside.probes, 1);
  assert.equal(listener.state, "signed-out");
  clock.advance(120_000);
  assert.deepEqual(outside.openSources, []);
});

test("a 503 is asked about and then tried again", async () => {
  outside.status = 503;
  for (let failure = 0; failure < 3; failure += 1) {
    outside.newest.fail();
    clock.advance(5_000);
  }
  await flushPromises();

  assert.equal(listener.state, "reconnecting");
  assert.equal(outside.openSources.length, 1);
});

test("a probe that cannot reach the server changes nothing", async () => {
  outside.probeStatus = () => Promise.reject(new TypeError("network"));
  for (let failure = 0; failure < 3; failure += 1) {
    outside.newest.fail();
    clock.advance(5_000);
  }
  await flushPromises();

  assert.equal(listener.state, "reconnecting");
});

test("a stream that ticks is left alone, however long nothing happens", () => {
  outside.newest.connect("aaaaaaaa-10");
  for (let beat = 0; beat < 50; beat += 1) {
    clock.advance(27_000);
    outside.newest.tick("aaaaaaaa-10");
  }

  assert.equal(outside.sources.length, 1);
});

test("a half-open connection is noticed within 50 s", () => {
  outside.newest.connect("aaaaaaaa-10");
  clock.advance(44_000);
  assert.equal(outside.sources.length, 1);

  clock.advance(6_500);

  assert.equal(outside.sources.length, 2);
  assert.equal(outside.openSources.length, 1);
});

test("a connection that never answers is given up too", () => {
  clock.advance(51_000);

  assert.equal(outside.sources.length, 2);
});

test("goodbye restart waits for its own slot", () => {
  outside.newest.connect("aaaaaaaa-10");

  outside.newest.emit("goodbye", "aaaaaaaa-10", { reason: "restart", retry: 7_300 });
  assert.equal(listener.state, "restarting");

  clock.advance(7_299);
  assert.equal(outside.sources.length, 1);
  clock.advance(1);
  assert.equal(outside.newest.url, "/api/events?after=aaaaaaaa-10");
});

test("too many streams: this one waits until it is looked at", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.emit("goodbye", "aaaaaaaa-10", { reason: "too-many-streams" });
  assert.equal(listener.state, "parked");
  clock.advance(3_600_000);
  assert.equal(outside.sources.length, 1);

  stream.wake();

  assert.equal(outside.sources.length, 2);
});

test("too many streams: the end of sleep is not a look", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.emit("goodbye", "aaaaaaaa-10", { reason: "too-many-streams" });

  clock.sleep(3_600_000);

  assert.equal(outside.sources.length, 1);
});

test("goodbye signed-out ends it for good", () => {
  outside.newest.connect("aaaaaaaa-10");

  outside.newest.emit("goodbye", "aaaaaaaa-10", { reason: "signed-out" });

  assert.equal(listener.state, "signed-out");
  assert.equal(listener.names.includes("goodbye"), true);
  stream.wake();
  clock.advance(120_000);
  assert.equal(outside.sources.length, 1);
});

test("a reason not known yet is an ordinary end", () => {
  outside.newest.connect("aaaaaaaa-10");

  outside.newest.emit("goodbye", "aaaaaaaa-10", { reason: "moved-to-another-cell" });
  clock.advance(500);

  assert.equal(outside.sources.length, 2);
});

test("a tab that is looked at trusts what it heard within 40 s", () => {
  outside.newest.connect("aaaaaaaa-10");
  clock.advance(39_000);

  stream.wake();

  assert.equal(outside.sources.length, 1);
});

test("a tab that is looked at after longer silence reconnects at once", () => {
  outside.newest.connect("aaaaaaaa-10");
  clock.advance(41_000);

  stream.wake();

  assert.equal(outside.sources.length, 2);
  assert.equal(outside.openSources.length, 1);
});

test("a tab that is looked at does not wait for its backoff", () => {
  clock.randomValue = 0.999;
  for (let failure = 0; failure < 7; failure += 1) {
    outside.newest.fail();
    clock.advance(30_000);
  }
  outside.newest.fail();
  const count = outside.sources.length;

  stream.wake();

  assert.equal(outside.sources.length, count + 1);
});

test("a machine that slept reconnects at once", () => {
  outside.newest.connect("aaaaaaaa-10");

  clock.sleep(3_600_000);

  assert.equal(outside.sources.length, 2);
});

test("a clock set back does no harm", () => {
  outside.newest.connect("aaaaaaaa-10");
  clock.time -= 3_600_000;

  stream.wake();

  assert.equal(outside.sources.length, 1);
});

test("without a network it says so, and keeps trying", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.online = false;

  stream.onOffline();

  assert.equal(listener.state, "offline");
  clock.advance(30_000);
  assert.equal(outside.sources.length > 1, true);
  outside.newest.connect("aaaaaaaa-10");
  assert.equal(listener.state, "live");
});

test("a frame that cannot be read is skipped", () => {
  outside.newest.connect("aaaaaaaa-10");

  outside.newest.emit("message", "aaaaaaaa-11", ["no", "event"]);
  outside.newest.emit("message", "aaaaaaaa-12", ticketCreatedEvent());

  assert.deepEqual(listener.names, ["connected", "event"]);
  assert.equal(stream.cursor, "aaaaaaaa-12");
});

test("a frame without a cursor leaves the cursor where it was", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.tick("");

  stream.stop();
  stream.start();

  assert.equal(outside.newest.url, "/api/events?after=aaaaaaaa-10");
});

test("a stopped stream opens nothing more, and can be started again", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.tick("aaaaaaaa-20");
  stream.stop();
  clock.advance(600_000);
  assert.deepEqual(outside.openSources, []);

  stream.start();

  assert.equal(outside.newest.url, "/api/events?after=aaaaaaaa-20");
});

test("a nudge does what a late timer should have done, and nothing before", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.fail();
  clock.time += 249; // no timer runs: the tab is hidden
  stream.runOverdueTimers();
  assert.equal(outside.sources.length, 1);

  clock.time += 1;
  stream.runOverdueTimers();

  assert.equal(outside.sources.length, 2);
});

test("a stream of somebody else who signed in meanwhile is refused", () => {
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.fail();
  clock.advance(250);
  outside.isReaders = false;

  outside.newest.connect("aaaaaaaa-12", "resumed", ["user:eve"]);

  assert.deepEqual(listener.names, ["connected", "goodbye"]);
  assert.equal(listener.state, "signed-out");
  assert.deepEqual(outside.openSources, []);
});

test("started twice it has one source and one watch", () => {
  stream.start();

  assert.equal(outside.sources.length, 1);
});
