// Translate texts into the language of the page. The msgid is the English text (as in gettext).

interface Catalog {
  texts: Record<string, string[]>;
  forms: string; // the index of the plural form for 0, 1, 2, …: one digit for each number
}

export type PluralForms = readonly [one: string, many: string];
export type Params = Readonly<Record<string, string | number>>;

const PLURAL_PERIOD = 100; // numbers; plural rules of all languages repeat after it

/** The language of the page, as its `lang` attribute names it. */
export let language = "en";

let catalog: Catalog | null = null;

/** Load the catalog embedded in the page (`#texts`). An English page has none. */
export function loadCatalog(page: Document): void {
  language = page.documentElement.lang || language;
  const text = page.getElementById("texts")?.textContent;
  catalog = text ? (JSON.parse(text) as Catalog) : null;
}

/** Translate a text and fill in its placeholders: `t("Ticket %(name)s closed", { name })`. */
export function t(text: string, params: Params = {}): string {
  return interpolate(catalog?.texts[text]?.[0] ?? text, params);
}

/** Translate a text with a plural; the placeholder `num` is the number. */
export function tn(one: string, many: string, num: number, params: Params = {}): string {
  const forms = catalog?.texts[one];
  const text = forms?.[pluralIndex(num)] ?? (num === 1 ? one : many);
  return interpolate(text, { num, ...params });
}

/** Mark a text of a table for extraction without translating it; show it with `t`. */
export function N_(text: string): string {
  return text;
}

/** Mark a text with a plural for extraction; show it with `tn`. */
export function NN_(one: string, many: string): PluralForms {
  return [one, many];
}

/** Return the locale in which dates are written. */
export function dateLocale(): string {
  return language === "en" ? "en-GB" : language; // day before month, as the server writes it
}

function pluralIndex(number: number): number {
  const forms = catalog?.forms ?? "";
  const index =
    number < forms.length ? number : forms.length - PLURAL_PERIOD + (number % PLURAL_PERIOD);
  return Number(forms[index] ?? 0);
}

function interpolate(text: string, params: Params): string {
  return text.replace(/%\((\w+)\)s/g, (placeholder, name: string) =>
    String(params[name] ?? placeholder),
  );
}
