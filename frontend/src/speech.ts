// What this side says, in the language of the page; English is written, and looked up when shown.

interface Table {
  texts: Record<string, string[]>;
  forms: string; // which form a number takes, for each of the first numbers
}

export type Values = Readonly<Record<string, string | number>>;

const REPEATS = 100; // numbers after which every rule of plurals repeats itself

let table: Table | null = null;

/** From now on texts are those of the page, which has a table of them unless it is in English. */
export function speak(page: Document): void {
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

function formOf(number: number): number {
  const known = table?.forms ?? "";
  const at = number < known.length ? number : known.length - REPEATS + (number % REPEATS);
  return Number(known[at] ?? 0);
}

function put(text: string, values: Values): string {
  return text.replace(/%\((\w+)\)s/g, (slot, name: string) => String(values[name] ?? slot));
}
