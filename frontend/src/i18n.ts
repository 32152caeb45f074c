// What this side says, in the language of the page; English is written, and looked up when shown.

interface Table {
  texts: Record<string, string[]>;
  forms: string; // which form a number takes, for each of the first numbers
}

export type Pair = readonly [one: string, many: string];
export type Values = Readonly<Record<string, string | number>>;

const REPEATS = 100; // numbers after which every rule of plurals repeats itself

/** Of the page, as HTML names it. */
export let language = "en";

let table: Table | null = null;

/** From now on texts are those of the page, which has a table of them unless it is in English. */
export function speak(page: Document): void {
  language = page.documentElement.lang || language;
  const text = page.getElementById("texts")?.textContent;
  table = text ? (JSON.parse(text) as Table) : null;
}

/** A text with its values: `t("Left %(place)s", { place })`. */
export function t(text: string, values: Values = {}): string {
  return put(table?.texts[text]?.[0] ?? text, values);
}

/** The same by number, which is `num`. */
export function tn(one: string, many: string, num: number, values: Values = {}): string {
  const forms = table?.texts[one];
  const said = forms?.[formOf(num)] ?? (num === 1 ? one : many);
  return put(said, { num, ...values });
}

/** A text of a table, as it is; `t` is asked where it is shown. */
export function mark(text: string): string {
  return text;
}

/** Two forms of a text of a table, for `tn`. */
export function pair(one: string, many: string): Pair {
  return [one, many];
}

/** The language in which dates are written. */
export function dateLanguage(): string {
  return language === "en" ? "en-GB" : language; // the day before the month, as the server has it
}

function formOf(number: number): number {
  const known = table?.forms ?? "";
  const at = number < known.length ? number : known.length - REPEATS + (number % REPEATS);
  return Number(known[at] ?? 0);
}

function put(text: string, values: Values): string {
  return text.replace(/%\((\w+)\)s/g, (slot, name: string) => String(values[name] ?? slot));
}
