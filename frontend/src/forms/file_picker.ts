// Files by drop and by paste join those chosen in a form's own field; each can be taken off again,
// and what is too large is never taken.

import { cloneOf, fill } from "../ui/slots";
import { t } from "../i18n";

const FIELD = "input[type=file]";
const OPEN = `${FIELD}[multiple]`; // to what is dropped or pasted, too

/** Takes up what is dropped on a form with files, or pasted into it, and lists what is chosen. */
export function watchFiles(): void {
  for (const type of ["dragenter", "dragover"]) {
    document.addEventListener(type, (event) => hover(event as DragEvent));
  }
  document.addEventListener("dragleave", leave);
  document.addEventListener("drop", drop);
  document.addEventListener("paste", paste);
  document.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement && target.matches(FIELD)) choose(target, chosen(target));
  });
  document.addEventListener("click", takeOff);
  addEventListener("pageshow", () => {
    // Browsers put chosen files back, too; none may be sent that is not listed.
    document.querySelectorAll<HTMLInputElement>(FIELD).forEach(list);
  });
}

/** `1400000` → `1.4 MB`; the rule of `size_text` in `deskwire/tickets/files/attachments.py`. */
export function sizeText(bytes: number): string {
  if (bytes < 1e3) return t("%(size)s bytes", { size: bytes });
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function hover(event: DragEvent): void {
  const field = fieldOf(event.target);
  if (!field || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault(); // or the browser would leave for the file
  field.form?.setAttribute("data-hovered", "");
}

function leave({ target, relatedTarget }: DragEvent): void {
  const form = fieldOf(target)?.form;
  if (form && !form.contains(relatedTarget as Node | null)) form.removeAttribute("data-hovered");
}

function drop(event: DragEvent): void {
  const field = fieldOf(event.target);
  field?.form?.removeAttribute("data-hovered");
  const files = event.dataTransfer?.files;
  if (!field || !files?.length) return;
  event.preventDefault();
  choose(field, [...chosen(field), ...files]);
}

function paste(event: ClipboardEvent): void {
  const field = fieldOf(event.target);
  const files = event.clipboardData?.files;
  if (!field || !files?.length) return; // text goes where it is pasted
  event.preventDefault();
  choose(field, [...chosen(field), ...files]);
}

function takeOff({ target }: Event): void {
  const button = (target as Element).closest<HTMLElement>('[data-action="take-off"]');
  const field = fieldOf(button, FIELD);
  const row = button?.closest("li");
  if (!field || !row) return;
  const place = [...(row.parentElement?.children ?? [])].indexOf(row);
  choose(field, chosen(field).filter((_, index) => index !== place));
  field.focus();
}

function fieldOf(target: EventTarget | null, which = OPEN): HTMLInputElement | null {
  return target instanceof Element ? (target.closest("form")?.querySelector(which) ?? null) : null;
}

function chosen(field: HTMLInputElement): File[] {
  return [...(field.files ?? [])];
}

/** From now on a field has these files, but for those that are too large. */
export function choose(field: HTMLInputElement, files: File[]): void {
  const limit = Number(field.dataset["max"] ?? Infinity); // bytes
  const carrier = new DataTransfer();
  for (const file of files) if (file.size <= limit) carrier.items.add(file);
  field.files = carrier.files;
  list(field);
  refuse(field, files.filter((file) => file.size > limit), limit);
}

function refuse(field: HTMLInputElement, files: File[], limit: number): void {
  const notice = field.form?.querySelector<HTMLElement>("[data-refused]");
  if (!notice) return;
  const names = files.map((file) => file.name).join(", ");
  notice.hidden = files.length === 0;
  const told = { size: sizeText(limit), names };
  notice.textContent = names && t("Larger than %(size)s, so not taken: %(names)s", told);
}

function list(field: HTMLInputElement): void {
  const rows = field.form?.querySelector("[data-chosen]");
  if (!rows) return;
  rows.replaceChildren();
  for (const { name, size } of chosen(field)) {
    const row = cloneOf("chosen-file");
    if (!row) return;
    fill(row, { name, size: sizeText(size), off: t("Take off %(name)s", { name }) }, 0);
    rows.append(row);
  }
}
