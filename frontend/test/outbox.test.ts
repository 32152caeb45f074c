// What is submitted stays in the browser until the server has said yes, and is sent once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../src/forms/outbox";
import type { SubmitResult } from "../src/forms/sending";
import { deleteExpired, type Unsent, UnsentRecords } from "../src/forms/unsent";
import { FakeClock, flushPromises } from "./fakes";
import { FakeStorage } from "./fake_storage";

const DAY = 86_400_000; // ms
const SAVED: SubmitResult = { status: 200, detail: "", id: "1", href: "/requests/1" };

function answer(status: number, detail = ""): SubmitResult {
  return { status, detail, id: "", href: "" };
}

function draft(id: string, fields: [string, string][] = [["text", "Still dark"]]): Unsent {
  const place = { draft: "reply 1", page: "/requests/1", tab: "", isOpen: true, savedAt: 0 };
  return { id, ...place, fields, files: [], message: null, post: null };
}

/** One tab of a browser, and the server it posts to. */
class Sender {
  readonly records: UnsentRecords;
  readonly outbox: Outbox;
  readonly posts: string[] = [];
  readonly told: string[] = [];
  answers: (SubmitResult | Promise<SubmitResult>)[] = []; // the last one is repeated

  constructor(
    readonly storage = new FakeStorage(),
    readonly clock = new FakeClock(),
    tab = "a",
  ) {
    this.records = new UnsentRecords(storage, "ada", tab, () => clock.now());
    const post = (url: string, fields: readonly (readonly [string, string])[]) => {
      this.posts.push(`${url} ${fields.map(([, value]) => value).join()}`);
      const [next = SAVED] = this.answers;
      if (this.answers.length > 1) this.answers.shift();
      return Promise.resolve(next);
    };
    this.outbox = new Outbox(this.records, clock, post, {
      onSending: () => {},
      onSent: ({ id }, href) => this.told.push(`sent ${id} ${href}`),
      onWaiting: ({ id }) => this.told.push(`waiting ${id}`),
      onRefused: ({ id }, reason) => this.told.push(`refused ${id} ${reason}`),
      onSignedOut: () => this.told.push("signed out"),
      prepare: () => Promise.resolve(null),
    });
  }

  get ids(): string[] {
    return this.records.list().map(({ id }) => id);
  }
}

test("a record is kept until the server has accepted it", async () => {
  const sender = new Sender();
  let say: (result: SubmitResult) => void = () => {};
  sender.answers = [new Promise((resolve) => (say = resolve))];

  const sending = sender.outbox.submit(draft("1"), "/messages");
  await flushPromises();
  assert.deepEqual(sender.ids, ["1"]);
  say(SAVED);
  await sending;

  assert.deepEqual(sender.ids, []);
  assert.deepEqual(sender.told, ["sent 1 /requests/1"]);
});

for (const status of [0, 408, 425, 429, 502, 503, 504]) {
  test(`what gets the answer ${status} is sent again by itself, with the same fields`, async () => {
    const sender = new Sender();
    sender.answers = [answer(status), SAVED];

    await sender.outbox.submit(draft("1"), "/messages");
    assert.deepEqual(sender.ids, ["1"]);
    sender.clock.advance(60_000);
    await flushPromises();

    assert.deepEqual(sender.posts, ["/messages Still dark", "/messages Still dark"]);
    assert.deepEqual(sender.told, ["waiting 1", "sent 1 /requests/1"]);
    assert.deepEqual(sender.ids, []);
  });
}

for (const status of [200, 204, 404]) {
  test(`the page of a proxy with status ${status} is neither a yes nor a no`, async () => {
    const sender = new Sender();
    sender.answers = [answer(status)];

    await sender.outbox.submit(draft("1"), "/messages");

    assert.deepEqual(sender.told, ["waiting 1"]);
    assert.deepEqual(sender.ids, ["1"]);
  });
}

test("a refused record is kept, and sent again only on the reader's request", async () => {
  const sender = new Sender();
  sender.answers = [answer(422, "Too long."), SAVED];

  await sender.outbox.submit(draft("1"), "/messages");
  sender.clock.advance(DAY);
  await sender.outbox.flush();
  assert.deepEqual(sender.told, ["refused 1 Too long."]);
  assert.deepEqual(sender.ids, ["1"]);
  await sender.outbox.retry("1");

  assert.deepEqual(sender.told.slice(1), ["sent 1 /requests/1"]);
});

test("without a session nothing is sent until the next page", async () => {
  const sender = new Sender();
  sender.answers = [answer(401)];

  await sender.outbox.submit(draft("1"), "/messages");
  sender.clock.advance(DAY);
  await flushPromises();

  assert.deepEqual(sender.told, ["waiting 1", "signed out"]);
  const next = new Sender(sender.storage, sender.clock);
  await next.outbox.flush();
  assert.deepEqual(next.told, ["sent 1 /requests/1"]);
});

test("retries come to an end, and then the reader decides", async () => {
  const sender = new Sender();
  sender.answers = [answer(503)];

  await sender.outbox.submit(draft("1"), "/messages");
  for (let attempt = 0; attempt < 1_100; attempt += 1) {
    sender.clock.advance(60_000);
    await flushPromises();
  }

  assert.equal(sender.posts.length, 1_000);
  assert.match(sender.told.at(-1) ?? "", /^refused 1/);
});

test("a record discarded while it is sent does not return", async () => {
  const sender = new Sender();
  let say: (result: SubmitResult) => void = () => {};
  sender.answers = [new Promise((resolve) => (say = resolve))];
  const sending = sender.outbox.submit(draft("1"), "/messages");
  await flushPromises();

  sender.records.forget();
  say(answer(503));
  await sending;
  sender.records.save(draft("2"));
  sender.records.release();

  assert.equal(sender.storage.length, 0);
});

test("a tab sends records of its own, released ones, and those of closed tabs", async () => {
  const owner = new Sender();
  owner.answers = [answer(503)];
  await owner.outbox.submit(draft("1"), "/messages");
  const other = new Sender(owner.storage, owner.clock, "b");

  await other.outbox.flush();
  assert.deepEqual(other.posts, []);
  await other.outbox.flush(new Set(["a"]));
  assert.deepEqual(other.told, ["sent 1 /requests/1"]);
  await owner.outbox.submit(draft("2"), "/messages");
  owner.records.release();
  await other.outbox.flush();
  assert.deepEqual(other.told, ["sent 1 /requests/1", "sent 2 /requests/1"]);
});

test("a record being sent by another tab is left to it for a limited time", async () => {
  const owner = new Sender();
  owner.answers = [new Promise(() => {})]; // it is closed before the answer comes
  void owner.outbox.submit(draft("1"), "/messages");
  await flushPromises();
  owner.records.release();
  const other = new Sender(owner.storage, owner.clock, "b");

  await other.outbox.flush();
  assert.deepEqual(other.posts, []);
  owner.clock.advance(60_000);
  await flushPromises();

  assert.deepEqual(other.told, ["sent 1 /requests/1"]);
});

test("the records of another person are never shown", () => {
  const { storage, clock, records } = new Sender();
  records.save(draft("1"));

  const others = new UnsentRecords(storage, "bo", "a", () => clock.now());

  assert.deepEqual(others.list(), []);
  assert.equal(others.read("1"), null);
  others.forget();
  assert.equal(records.list().length, 1);
});

test("old records, and drafts without a person, are deleted", () => {
  const { storage, clock, records } = new Sender();
  records.save(draft("1"));
  clock.advance(29 * DAY);
  records.save(draft("2"));
  storage.setItem("deskwire:draft:reply 1", "{}");
  storage.setItem("another", "{}");

  deleteExpired(storage, clock.now() + 2 * DAY);

  assert.deepEqual(records.list().map(({ id }) => id), ["2"]);
  assert.equal(storage.getItem("another"), "{}");
  assert.equal(storage.length, 2);
});

test("a record that the storage has no room for is still sent", async () => {
  const sender = new Sender();
  sender.storage.isFull = true;
  sender.answers = [answer(503), SAVED];

  await sender.outbox.submit(draft("1"), "/messages");
  assert.deepEqual(sender.ids, ["1"]);
  await sender.outbox.flush();

  assert.deepEqual(sender.told, ["waiting 1", "sent 1 /requests/1"]);
});
