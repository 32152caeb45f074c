// What this side says, in the language of the page; English is written, and looked up when shown.

interface Catalog {
  texts: Record<string, string[]>;
  forms: string; // which form a number takes, for each of the first numbers
}

export type PluralForms = readonly [one: string, many: string];
export type Params = Readonly<Record<string, string | number>>;

const PLURAL_PERIOD = 100; // numbers after which every rule of plurals repeats itself

/** Of the page, as HTML names it. */
export let language = "en";

let catalog: Catalog | null = null;

/** From now on texts are those of the page, which has a table of them unless it is in English. */
export function loadCatalog(page: Document): void {
  language = page.documentElement.lang || language;
  const text = page.getElementById("texts")?.textContent;
  catalog = text ? (JSON.parse(text) as Catalog) : null;
}

/** A text with its values: `t("Left %(place)s", { place })`. */
export function t(text: string, values: Params = {}): string {
  return interpolate(catalog?.texts[text]?.[0] ?? text, values);
}

/** The same by number, which is `num`. */
export function tn(one: string, many: string, num: number, values: Params = {}): string {
  const forms = catalog?.texts[one];
  const said = forms?.[pluralIndex(num)] ?? (num === 1 ? one : many);
  return interpolate(said, { num, ...values });
}

/** A text of a table, as it is; `t` is asked where it is shown. */
export function N_(text: string): string {
  return text;
}

/** Two forms of a text of a table, for `tn`. */
export function NN_(one: string, many: string): PluralForms {
  return [one, many];
}

/** The language in which dates are written. */
export function dateLocale(): string {
  return language === "en" ? "en-GB" : language; // the day before the month, as the server has it
}

function pluralIndex(number: number): number {
  const known = catalog?.forms ?? "";
  const at =
    number < known.length ? number : known.length - PLURAL_PERIOD + (number % PLURAL_PERIOD);
  return Number(known[at] ?? 0);
}

function interpolate(text: string, values: Params): string {
  return text.replace(/%\((\w+)\)s/g, (slot, name: string) => String(values[name] ?? slot));
}
