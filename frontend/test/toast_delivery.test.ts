// A toast is shown once, in the active tab.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { cursorAt, FakeBrowser } from "./fake_browser";
import { ticketCreatedEvent } from "./sample_events";

let browser: FakeBrowser;

beforeEach(() => {
  browser = new FakeBrowser();
});

test("a toast is shown once, in the tab focused last", () => {
  const [first, second] = browser.openTwo();

  browser.emitEvents(11);
  first.focus();
  browser.emitEvents(12);

  assert.deepEqual(
    [first.listener.shownToasts, second.listener.shownToasts],
    [[cursorAt(12)], [cursorAt(11)]],
  );
});

test("a toast goes to a visible tab before a hidden one", () => {
  const [first, second] = browser.openTwo();
  second.hide();

  browser.emitEvents(11);

  assert.deepEqual([first.listener.shownToasts, second.listener.shownToasts], [[cursorAt(11)], []]);
});

test("a toast that no tab could show waits for the tab focused next", () => {
  const [first, second] = browser.openTwo();
  for (const tab of [first, second]) {
    tab.hide();
  }
  browser.emitEvents(11);
  assert.deepEqual([first.listener.shownToasts, second.listener.shownToasts], [[], []]);

  second.focus();

  assert.deepEqual([first.listener.shownToasts, second.listener.shownToasts], [[], [cursorAt(11)]]);
});

test("a toast that waited too long is dropped", () => {
  const [first, second] = browser.openTwo();
  for (const tab of [first, second]) {
    tab.hide();
  }
  browser.emitEvents(11);
  for (let minute = 0; minute < 10; minute += 1) {
    browser.clock.advance(20_000);
    browser.tick(cursorAt(11));
    browser.clock.advance(40_000);
    browser.tick(cursorAt(11));
  }
  first.focus();

  assert.deepEqual([first.listener.shownToasts, second.listener.shownToasts], [[], []]);
});

test("a pending toast outlives the leader", () => {
  const [first, second] = browser.openTwo();
  for (const tab of [first, second]) {
    tab.hide();
  }
  browser.emitEvents(11);
  first.stop();

  second.focus();

  assert.deepEqual(second.listener.shownToasts, [cursorAt(11)]);
});

test("a pending toast is dropped when its event becomes invisible", () => {
  const [first, second] = browser.openTwo();
  for (const tab of [first, second]) {
    tab.hide();
    tab.listener.invisibleIds.add(cursorAt(11));
  }
  browser.emitEvents(11);
  browser.emit("revoked", "", { channels: ["guild:1"] });

  second.focus();

  assert.deepEqual(second.listener.shownToasts, []);
});

test("a pending toast is dropped with the organization of its request", () => {
  const [first, second] = browser.openTwo();
  for (const tab of [first, second]) tab.hide();
  const of = (workspace: string) => ({
    ...ticketCreatedEvent(),
    data: { ...ticketCreatedEvent().data, workspace },
  });
  browser.emit("message", cursorAt(11), of("org:1"));
  browser.emit("message", cursorAt(12), of("org:2"));
  browser.emit("message", cursorAt(13), {
    type: "organization.deleted",
    data: { workspace: "org:1" },
  });

  second.focus();

  assert.deepEqual(second.listener.shownToasts, [cursorAt(12), cursorAt(13)]);
});

test("a toast for a tab that has crashed goes to another", () => {
  const [first, second] = browser.openTwo();
  second.focus();
  second.isFrozen = true;

  browser.emitEvents(11);
  browser.clock.advance(3_000);

  assert.deepEqual([first.listener.shownToasts, second.listener.shownToasts], [[cursorAt(11)], []]);
});

test("a toast that was shown is not shown again by the next leader", () => {
  const [first, second] = browser.openTwo();
  const third = browser.open("c", cursorAt(10));
  second.focus();
  browser.emitEvents(11);

  second.hide();
  first.stop();
  browser.connect(10, "resumed");
  browser.emitEvents(11);

  assert.deepEqual([second.listener.shownToasts, third.listener.shownToasts], [[cursorAt(11)], []]);
});

test("a tab does not show toasts from before it opened", () => {
  browser.open("a", cursorAt(10), { isVisible: true, focusedAt: 1 });
  browser.connect(10, "resumed");
  browser.emitEvents(11);

  const late = browser.open("b", cursorAt(10), { isVisible: true, focusedAt: 5 });

  assert.deepEqual(late.eventIds, [cursorAt(11)]);
  assert.deepEqual(late.listener.shownToasts, []);
});
