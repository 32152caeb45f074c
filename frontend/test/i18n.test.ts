// Translating texts, with plurals.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { loadCatalog, t, tn } from "../src/i18n";
import { formatDayHeading } from "../src/ui/day_headings";

const POLISH = {
  texts: {
    Today: ["Dzisiaj"],
    "Left %(place)s": ["%(place)s opuszczono"],
    "%(num)s file": ["plik", "%(num)s pliki", "%(num)s plików"],
  },
  forms: Array.from({ length: 200 }, (_, n) =>
    n === 1 ? 0 : n % 10 > 1 && n % 10 < 5 && (n % 100 < 10 || n % 100 > 19) ? 1 : 2,
  ).join(""),
};

function page(lang: string, catalog: unknown): Document {
  const texts = catalog ? { textContent: JSON.stringify(catalog) } : null;
  return { documentElement: { lang }, getElementById: () => texts } as unknown as Document;
}

afterEach(() => loadCatalog(page("en", null)));

test("a page in English needs no catalog", () => {
  assert.equal(t("Left %(place)s", { place: "Quay" }), "Left Quay");
  assert.deepEqual(
    [1, 2].map((n) => tn("%(num)s file", "%(num)s files", n)),
    ["1 file", "2 files"],
  );
});

test("plural forms follow the language, for large numbers too", () => {
  loadCatalog(page("pl", POLISH));
  const texts = [1, 3, 5, 112, 1002, 1001].map((n) => tn("%(num)s file", "%(num)s files", n));

  assert.deepEqual(texts, [
    "plik",
    "3 pliki",
    "5 plików",
    "112 plików",
    "1002 pliki",
    "1001 plików",
  ]);
});

test("a missing translation stays English, and a value is not interpolated again", () => {
  loadCatalog(page("pl", POLISH));

  assert.equal(t("Copied"), "Copied");
  assert.equal(t("Left %(place)s", { place: "%(place)s" }), "%(place)s opuszczono");
  assert.equal(formatDayHeading("2026-11-27", "2026-11-27"), "Dzisiaj");
  assert.equal(formatDayHeading("2026-11-20", "2026-11-27"), "piątek 20 listopada");
});
