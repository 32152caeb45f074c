// Files by drop and by paste join those chosen in a form's own field; each can be taken off again,
// and what is too large is never taken.

import { cloneTemplate, fillSlots } from "../ui/slots";
import { t } from "../i18n";

const FILE_INPUT = "input[type=file]";
const MULTIPLE_FILE_INPUT = `${FILE_INPUT}[multiple]`; // to what is dropped or pasted, too

/** Takes up what is dropped on a form with files, or pasted into it, and lists what is chosen. */
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
    // Browsers put chosen files back, too; none may be sent that is not listed.
    document.querySelectorAll<HTMLInputElement>(FILE_INPUT).forEach(renderFileList);
  });
}

/** `1400000` → `1.4 MB`; the rule of `size_text` in `deskwire/tickets/files/attachments.py`. */
export function formatSize(bytes: number): string {
  if (bytes < 1e3) return t("%(size)s bytes", { size: bytes });
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function onDragOver(event: DragEvent): void {
  const field = findFileInput(event.target);
  if (!field || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault(); // or the browser would leave for the file
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
  if (!field || !files?.length) return; // text goes where it is pasted
  event.preventDefault();
  setFiles(field, [...chosenFiles(field), ...files]);
}

function onRemoveClick({ target }: Event): void {
  const button = (target as Element).closest<HTMLElement>('[data-action="take-off"]');
  const field = findFileInput(button, FILE_INPUT);
  const row = button?.closest("li");
  if (!field || !row) return;
  const place = [...(row.parentElement?.children ?? [])].indexOf(row);
  setFiles(
    field,
    chosenFiles(field).filter((_, index) => index !== place),
  );
  field.focus();
}

function findFileInput(
  target: EventTarget | null,
  which = MULTIPLE_FILE_INPUT,
): HTMLInputElement | null {
  return target instanceof Element ? (target.closest("form")?.querySelector(which) ?? null) : null;
}

function chosenFiles(field: HTMLInputElement): File[] {
  return [...(field.files ?? [])];
}

/** From now on a field has these files, but for those that are too large. */
export function setFiles(field: HTMLInputElement, files: File[]): void {
  const limit = Number(field.dataset["max"] ?? Infinity); // bytes
  const carrier = new DataTransfer();
  for (const file of files) if (file.size <= limit) carrier.items.add(file);
  field.files = carrier.files;
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
  const told = { size: formatSize(limit), names };
  notice.textContent = names && t("Larger than %(size)s, so not taken: %(names)s", told);
}

function renderFileList(field: HTMLInputElement): void {
  const rows = field.form?.querySelector("[data-chosen]");
  if (!rows) return;
  rows.replaceChildren();
  for (const { name, size } of chosenFiles(field)) {
    const row = cloneTemplate("chosen-file");
    if (!row) return;
    fillSlots(row, { name, size: formatSize(size), off: t("Take off %(name)s", { name }) }, 0);
    rows.append(row);
  }
}
