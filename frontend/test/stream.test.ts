// The stream keeps its cursor, reconnects on its own, and notices when it is dead.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Stream } from "../src/stream/stream";
import { FakeClock, FakeEnvironment, FakeListener, flushPromises } from "./fakes";
import { ticketCreatedEvent } from "./sample_events";

let clock: FakeClock;
let environment: FakeEnvironment;
let listener: FakeListener;
let stream: Stream;

beforeEach(() => {
  clock = new FakeClock();
  environment = new FakeEnvironment();
  listener = new FakeListener();
  stream = new Stream("/api/events", "aaaaaaaa-10", clock, environment, listener);
  stream.start();
});

test("the stream starts at the cursor of the page", () => {
  assert.equal(environment.newest.url, "/api/events?after=aaaaaaaa-10");
});

test("without a cursor the stream starts at the newest event", () => {
  new Stream("/api/events", null, clock, environment, listener).start();

  assert.equal(environment.newest.url, "/api/events");
});

test("the stream is live only once the server has said so", () => {
  assert.equal(stream.state, "connecting");

  environment.newest.connect("aaaaaaaa-10");

  assert.equal(stream.state, "live");
  assert.deepEqual(listener.names, ["connected"]);
});

test("after an error the stream closes, waits, and resumes at its cursor", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.emit("message", "aaaaaaaa-12", ticketCreatedEvent());
  const broken = environment.newest;

  broken.fail();

  assert.ok(broken.isClosed);
  assert.equal(listener.state, "reconnecting");
  assert.deepEqual(environment.lines, ["reconnecting in 0.3 s (attempt 1)"]);
  clock.advance(250); // half of the base
  assert.equal(environment.newest.url, "/api/events?after=aaaaaaaa-12");
});

test("a tick moves the cursor, so that a quiet viewer does not age into a reset", () => {
  environment.newest.connect("aaaaaaaa-10");

  environment.newest.tick("aaaaaaaa-900");

  assert.equal(stream.cursor, "aaaaaaaa-900");
});

test("frames of a closed source are ignored", () => {
  const old = environment.newest;
  old.connect("aaaaaaaa-10");
  old.fail();

  old.emit("message", "aaaaaaaa-99", ticketCreatedEvent());

  assert.equal(stream.cursor, "aaaaaaaa-10");
  assert.deepEqual(listener.names, ["connected"]);
});

test("endless errors never stop the stream, and its delay stays below 30 s", async () => {
  clock.randomValue = 0.999;
  for (let failure = 0; failure < 200; failure += 1) {
    const count = environment.sources.length;
    environment.newest.fail();
    await flushPromises();
    clock.advance(30_000);
    assert.equal(environment.sources.length, count + 1, `after failure ${failure}`);
  }

  environment.newest.connect("aaaaaaaa-10");

  assert.equal(listener.state, "live");
});

test("delays grow while connecting fails, and start over after a stable stream", () => {
  clock.randomValue = 0.999;
  for (let failure = 0; failure < 6; failure += 1) {
    environment.newest.fail();
    clock.advance(30_000);
  }
  environment.newest.connect("aaaaaaaa-10");
  clock.advance(10_000);
  environment.newest.fail();

  clock.advance(500);

  assert.equal(environment.newest.isClosed, false);
});

test("a proxy that cuts every ten seconds causes one short reconnect each time", () => {
  clock.randomValue = 0.999;
  for (let round = 1; round <= 8; round += 1) {
    environment.newest.connect(`aaaaaaaa-${round}`);
    clock.advance(9_900); // from the first frame; the platform counts from the request
    environment.newest.fail();
    clock.advance(500);
    assert.equal(environment.newest.isClosed, false);
  }
});

test("a server that accepts and drops at once is not flooded with requests", () => {
  clock.randomValue = 0.999;
  for (let round = 0; round < 8; round += 1) {
    environment.newest.connect("aaaaaaaa-10");
    environment.newest.fail();
    clock.advance(30_000);
  }
  const count = environment.sources.length;
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.fail();

  clock.advance(20_000);

  assert.equal(environment.sources.length, count);
});

test("every third failure probes the status, and 401 ends the stream", async () => {
  environment.status = 401;
  for (let failure = 0; failure < 3; failure += 1) {
    assert.equal(environment.probes, 0);
    environment.newest.fail();
    clock.advance(5_000);
  }
  await flushPromises();

  assert.equal(environment.probes, 1);
  assert.equal(listener.state, "signed-out");
  clock.advance(120_000);
  assert.deepEqual(environment.openSources, []);
});

test("a probe that answers 503 leads to a retry", async () => {
  environment.status = 503;
  for (let failure = 0; failure < 3; failure += 1) {
    environment.newest.fail();
    clock.advance(5_000);
  }
  await flushPromises();

  assert.equal(listener.state, "reconnecting");
  assert.equal(environment.openSources.length, 1);
});

test("a probe that cannot reach the server changes nothing", async () => {
  environment.probeStatus = () => Promise.reject(new TypeError("network"));
  for (let failure = 0; failure < 3; failure += 1) {
    environment.newest.fail();
    clock.advance(5_000);
  }
  await flushPromises();

  assert.equal(listener.state, "reconnecting");
});

test("a stream that ticks is kept, however long no event arrives", () => {
  environment.newest.connect("aaaaaaaa-10");
  for (let beat = 0; beat < 50; beat += 1) {
    clock.advance(27_000);
    environment.newest.tick("aaaaaaaa-10");
  }

  assert.equal(environment.sources.length, 1);
});

test("a half-open connection is noticed within 50 s", () => {
  environment.newest.connect("aaaaaaaa-10");
  clock.advance(44_000);
  assert.equal(environment.sources.length, 1);

  clock.advance(6_500);

  assert.equal(environment.sources.length, 2);
  assert.equal(environment.openSources.length, 1);
});

test("a connection that is never answered is abandoned", () => {
  clock.advance(51_000);

  assert.equal(environment.sources.length, 2);
});

test("goodbye “restart” waits for its own reconnect delay", () => {
  environment.newest.connect("aaaaaaaa-10");

  environment.newest.emit("goodbye", "aaaaaaaa-10", { reason: "restart", retry: 7_300 });
  assert.equal(listener.state, "restarting");

  clock.advance(7_299);
  assert.equal(environment.sources.length, 1);
  clock.advance(1);
  assert.equal(environment.newest.url, "/api/events?after=aaaaaaaa-10");
});

test("too many streams: this one waits until its tab is focused", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.emit("goodbye", "aaaaaaaa-10", { reason: "too-many-streams" });
  assert.equal(listener.state, "parked");
  clock.advance(3_600_000);
  assert.equal(environment.sources.length, 1);

  stream.wake();

  assert.equal(environment.sources.length, 2);
});

test("too many streams: waking from sleep does not count as focus", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.emit("goodbye", "aaaaaaaa-10", { reason: "too-many-streams" });

  clock.sleep(3_600_000);

  assert.equal(environment.sources.length, 1);
});

test("goodbye “signed-out” ends the stream for good", () => {
  environment.newest.connect("aaaaaaaa-10");

  environment.newest.emit("goodbye", "aaaaaaaa-10", { reason: "signed-out" });

  assert.equal(listener.state, "signed-out");
  assert.equal(listener.names.includes("goodbye"), true);
  stream.wake();
  clock.advance(120_000);
  assert.equal(environment.sources.length, 1);
});

test("an unknown goodbye reason is an ordinary end", () => {
  environment.newest.connect("aaaaaaaa-10");

  environment.newest.emit("goodbye", "aaaaaaaa-10", { reason: "moved-to-another-cell" });
  clock.advance(500);

  assert.equal(environment.sources.length, 2);
});

test("a focused tab relies on a frame of the last 40 s", () => {
  environment.newest.connect("aaaaaaaa-10");
  clock.advance(39_000);

  stream.wake();

  assert.equal(environment.sources.length, 1);
});

test("a tab focused after longer silence reconnects at once", () => {
  environment.newest.connect("aaaaaaaa-10");
  clock.advance(41_000);

  stream.wake();

  assert.equal(environment.sources.length, 2);
  assert.equal(environment.openSources.length, 1);
});

test("a focused tab does not wait for its backoff", () => {
  clock.randomValue = 0.999;
  for (let failure = 0; failure < 7; failure += 1) {
    environment.newest.fail();
    clock.advance(30_000);
  }
  environment.newest.fail();
  const count = environment.sources.length;

  stream.wake();

  assert.equal(environment.sources.length, count + 1);
});

test("a machine that slept reconnects at once", () => {
  environment.newest.connect("aaaaaaaa-10");

  clock.sleep(3_600_000);

  assert.equal(environment.sources.length, 2);
});

test("a clock that was set back does no harm", () => {
  environment.newest.connect("aaaaaaaa-10");
  clock.time -= 3_600_000;

  stream.wake();

  assert.equal(environment.sources.length, 1);
});

test("without a network the stream is offline and keeps trying", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.online = false;

  stream.onOffline();

  assert.equal(listener.state, "offline");
  clock.advance(30_000);
  assert.equal(environment.sources.length > 1, true);
  environment.newest.connect("aaaaaaaa-10");
  assert.equal(listener.state, "live");
});

test("a frame that cannot be read is skipped", () => {
  environment.newest.connect("aaaaaaaa-10");

  environment.newest.emit("message", "aaaaaaaa-11", ["no", "event"]);
  environment.newest.emit("message", "aaaaaaaa-12", ticketCreatedEvent());

  assert.deepEqual(listener.names, ["connected", "event"]);
  assert.equal(stream.cursor, "aaaaaaaa-12");
});

test("a frame without a cursor leaves the cursor where it was", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.tick("");

  stream.stop();
  stream.start();

  assert.equal(environment.newest.url, "/api/events?after=aaaaaaaa-10");
});

test("a stopped stream opens nothing more, and can be started again", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.tick("aaaaaaaa-20");
  stream.stop();
  clock.advance(600_000);
  assert.deepEqual(environment.openSources, []);

  stream.start();

  assert.equal(environment.newest.url, "/api/events?after=aaaaaaaa-20");
});

test("runOverdueTimers runs what a late timer should have run, and nothing earlier", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.fail();
  clock.time += 249; // no timer runs: the tab is hidden
  stream.runOverdueTimers();
  assert.equal(environment.sources.length, 1);

  clock.time += 1;
  stream.runOverdueTimers();

  assert.equal(environment.sources.length, 2);
});

test("a stream of another person who signed in meanwhile is refused", () => {
  environment.newest.connect("aaaaaaaa-10");
  environment.newest.fail();
  clock.advance(250);
  environment.isReaders = false;

  environment.newest.connect("aaaaaaaa-12", "resumed", ["user:eve"]);

  assert.deepEqual(listener.names, ["connected", "goodbye"]);
  assert.equal(listener.state, "signed-out");
  assert.deepEqual(environment.openSources, []);
});

test("a stream that is started twice has one source and one watchdog", () => {
  stream.start();

  assert.equal(environment.sources.length, 1);
});
