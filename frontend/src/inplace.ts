// Changing a request from a list: the controls of its own page, in a dialog over the list.

import { type FragmentAnswer, fragmentUrl } from "./fragments";

const CONTROLS = "controls"; // the element of the request's page

export interface Asks {
  (url: string, ids: string): Promise<FragmentAnswer>;
}

/** Opens the dialog for the row whose button was pressed; the stream changes the row. */
export function watchInPlace(ask: Asks, process: (element: Element) => void): void {
  document.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest('[data-action="in-place"]');
    const link = button?.closest("[data-row]")?.querySelector<HTMLAnchorElement>(".row-link");
    const dialog = document.querySelector<HTMLDialogElement>("dialog#in-place");
    if (link && dialog) void open(link, dialog, ask, process);
    else if (target === dialog) dialog?.close(); // beside what it shows
  });
}

async function open(
  link: HTMLAnchorElement,
  dialog: HTMLDialogElement,
  ask: Asks,
  process: (element: Element) => void,
): Promise<void> {
  const answer = await ask(fragmentUrl(link.href, [CONTROLS]), CONTROLS).catch(() => null);
  const room = dialog.querySelector<HTMLElement>("[data-room]");
  const title = dialog.querySelector("h2");
  if (answer?.status !== 200 || answer.isElsewhere || !room || !title) {
    location.assign(link.href); // its page says why
    return;
  }
  title.textContent = link.textContent;
  room.innerHTML = answer.text;
  part(room);
  process(room);
  dialog.showModal();
}

/** What came from another page has ids of its own here, and is not refreshed as part of this. */
function part(room: HTMLElement): void {
  for (const element of room.querySelectorAll<HTMLElement>("[id], [for], [data-live]")) {
    if (element.id) element.id = `in-place-${element.id}`;
    if (element instanceof HTMLLabelElement) element.htmlFor = `in-place-${element.htmlFor}`;
    delete element.dataset["live"];
  }
}
