// Changing a request from a list: the controls of its own page, in a dialog over the list.

import { type FragmentResponse, fragmentUrl } from "../store/fragments";
import { morph } from "../ui/morph";

const CONTROLS_ID = "controls"; // the element of the request's page

export interface FetchFragment {
  (url: string, ids: string): Promise<FragmentResponse>;
}

/** Opens the dialog for the row whose button was pressed; the stream changes the row. */
export function watchInlineEdit(
  fetchFragment: FetchFragment,
  processHtmx: (element: Element) => void,
): void {
  let shown = ""; // address of the request in the dialog
  const load = async (dialog: HTMLDialogElement): Promise<boolean> => {
    const answer = await fetchFragment(fragmentUrl(shown, [CONTROLS_ID]), CONTROLS_ID).catch(
      () => null,
    );
    const room = dialog.querySelector<HTMLElement>("[data-room]");
    if (answer?.status !== 200 || answer.isRedirected || !room) return false;
    showControls(room, answer.text);
    processHtmx(room);
    return true;
  };
  document.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest('[data-action="in-place"]');
    const link = button?.closest("[data-row]")?.querySelector<HTMLAnchorElement>(".row-link");
    const dialog = document.querySelector<HTMLDialogElement>("dialog#in-place");
    if (link && dialog) {
      shown = link.href;
      void load(dialog).then((isThere) => openDialog(dialog, link, isThere));
    } else if (target === dialog) dialog?.close(); // beside what it shows
  });
  document.addEventListener("htmx:after:request", ({ target }) => {
    const dialog = (target as Element).closest<HTMLDialogElement>("dialog#in-place[open]");
    if (dialog) void load(dialog);
  });
}

function openDialog(dialog: HTMLDialogElement, link: HTMLAnchorElement, isThere: boolean): void {
  const title = dialog.querySelector("h2");
  if (title) title.textContent = link.textContent;
  if (isThere) dialog.showModal();
  else location.assign(link.href); // its page says why
}

/** Puts in what came from another page, keeping the focus: there it has ids of its own, here it is
 * not refreshed as part of this page. */
function showControls(container: HTMLElement, html: string): void {
  const next = container.cloneNode() as HTMLElement;
  next.innerHTML = html;
  for (const element of next.querySelectorAll<HTMLElement>("[id], [for], [data-live]")) {
    if (element.id) element.id = `in-place-${element.id}`;
    if (element instanceof HTMLLabelElement) element.htmlFor = `in-place-${element.htmlFor}`;
    delete element.dataset["live"];
  }
  morph(container, next);
}
