// Add dropped and pasted files to a form's file input, list the chosen ones with a remove button,
// and refuse files that are too large.

import { t } from "../i18n";
import { cloneTemplate, fillSlots } from "../ui/slots";

const FILE_INPUT = "input[type=file]";
const MULTIPLE_FILE_INPUT = `${FILE_INPUT}[multiple]`; // these accept drop and paste

/** Handle drop, paste, change and removal for every file input of the page. */
export function watchFileInputs(): void {
  for (const type of ["dragenter", "dragover"]) {
    document.addEventListener(type, (event) => onDragOver(event as DragEvent));
  }
  document.addEventListener("dragleave", onDragLeave);
  document.addEventListener("drop", onDrop);
  document.addEventListener("paste", onPaste);
  document.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLInputElement && target.matches(FILE_INPUT))
      setFiles(target, chosenFiles(target));
  });
  document.addEventListener("click", onRemoveClick);
  addEventListener("pageshow", () => {
    // Browsers restore chosen files, and every file that is sent must be listed.
    document.querySelectorAll<HTMLInputElement>(FILE_INPUT).forEach(renderFileList);
  });
}

/** Format a size in bytes: `1400000` → `1.4 MB`.
 *
 * The same as `format_size` in `deskwire/tickets/files/attachments.py`.
 */
export function formatSize(bytes: number): string {
  if (bytes < 1e3) return t("%(size)s bytes", { size: bytes });
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function onDragOver(event: DragEvent): void {
  const field = findFileInput(event.target);
  if (!field || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault(); // or the browser opens the file in place of the page
  field.form?.setAttribute("data-hovered", "");
}

function onDragLeave({ target, relatedTarget }: DragEvent): void {
  const form = findFileInput(target)?.form;
  if (form && !form.contains(relatedTarget as Node | null)) form.removeAttribute("data-hovered");
}

function onDrop(event: DragEvent): void {
  const field = findFileInput(event.target);
  field?.form?.removeAttribute("data-hovered");
  const files = event.dataTransfer?.files;
  if (!field || !files?.length) return;
  event.preventDefault();
  setFiles(field, [...chosenFiles(field), ...files]);
}

function onPaste(event: ClipboardEvent): void {
  const field = findFileInput(event.target);
  const files = event.clipboardData?.files;
  if (!field || !files?.length) return; // leave pasted text to the browser
  event.preventDefault();
  setFiles(field, [...chosenFiles(field), ...files]);
}

function onRemoveClick({ target }: Event): void {
  const button = (target as Element).closest<HTMLElement>('[data-action="remove-file"]');
  const field = findFileInput(button, FILE_INPUT);
  const row = button?.closest("li");
  if (!field || !row) return;
  const removed = [...(row.parentElement?.children ?? [])].indexOf(row);
  setFiles(
    field,
    chosenFiles(field).filter((_, index) => index !== removed),
  );
  field.focus();
}

function findFileInput(
  target: EventTarget | null,
  selector = MULTIPLE_FILE_INPUT,
): HTMLInputElement | null {
  return target instanceof Element
    ? (target.closest("form")?.querySelector(selector) ?? null)
    : null;
}

function chosenFiles(field: HTMLInputElement): File[] {
  return [...(field.files ?? [])];
}

/** Set the files of an input, leaving out and naming those that are too large. */
export function setFiles(field: HTMLInputElement, files: File[]): void {
  const limit = Number(field.dataset["max"] ?? Infinity); // bytes
  const transfer = new DataTransfer(); // the only way to construct a FileList
  for (const file of files) if (file.size <= limit) transfer.items.add(file);
  field.files = transfer.files;
  renderFileList(field);
  showTooLarge(
    field,
    files.filter((file) => file.size > limit),
    limit,
  );
}

function showTooLarge(field: HTMLInputElement, files: File[], limit: number): void {
  const notice = field.form?.querySelector<HTMLElement>("[data-refused]");
  if (!notice) return;
  const names = files.map((file) => file.name).join(", ");
  notice.hidden = files.length === 0;
  const params = { size: formatSize(limit), names };
  notice.textContent = names && t("Not attached because larger than %(size)s: %(names)s", params);
}

function renderFileList(field: HTMLInputElement): void {
  const rows = field.form?.querySelector("[data-chosen]");
  if (!rows) return;
  rows.replaceChildren();
  for (const { name, size } of chosenFiles(field)) {
    const row = cloneTemplate("chosen-file");
    if (!row) return;
    fillSlots(row, { name, size: formatSize(size), off: t("Remove %(name)s", { name }) }, 0);
    rows.append(row);
  }
}
