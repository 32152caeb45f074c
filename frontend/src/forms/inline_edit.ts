// Edit a ticket from a list: show the controls of its page in a dialog.

import { type FragmentResponse, fragmentUrl } from "../store/fragments";
import { morph } from "../ui/morph";

const CONTROLS_ID = "controls"; // element id on the ticket's page

/** Requests fragments of a page; `ids` separated by commas. */
export interface FetchFragment {
  (url: string, ids: string): Promise<FragmentResponse>;
}

/** Open the dialog for the row whose button was clicked. The row itself is updated by events. */
export function watchInlineEdit(
  fetchFragment: FetchFragment,
  processHtmx: (element: Element) => void,
): void {
  let ticketUrl = ""; // of the ticket in the dialog
  const load = async (dialog: HTMLDialogElement): Promise<boolean> => {
    const url = fragmentUrl(ticketUrl, [CONTROLS_ID]);
    const response = await fetchFragment(url, CONTROLS_ID).catch(() => null);
    const container = dialog.querySelector<HTMLElement>("[data-dialog-body]");
    if (response?.status !== 200 || response.isRedirected || !container) return false;
    showControls(container, response.text);
    processHtmx(container);
    return true;
  };
  document.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest('[data-action="in-place"]');
    const link = button?.closest("[data-row]")?.querySelector<HTMLAnchorElement>(".row-link");
    const dialog = document.querySelector<HTMLDialogElement>("dialog#in-place");
    if (link && dialog) {
      ticketUrl = link.href;
      void load(dialog).then((isLoaded) => openDialog(dialog, link, isLoaded));
    } else if (target === dialog) dialog?.close(); // a click on the backdrop
  });
  document.addEventListener("htmx:after:request", ({ target }) => {
    const dialog = (target as Element).closest<HTMLDialogElement>("dialog#in-place[open]");
    if (dialog) void load(dialog);
  });
}

function openDialog(dialog: HTMLDialogElement, link: HTMLAnchorElement, isLoaded: boolean): void {
  const title = dialog.querySelector("h2");
  if (title) title.textContent = link.textContent;
  if (isLoaded) dialog.showModal();
  else location.assign(link.href); // the page itself shows the error
}

/** Morph the controls into the dialog, keeping the focus.
 *
 * They come from another page: ids get a prefix, since the list may have the same ones, and
 * `data-live` is removed, since this page cannot reload them as its own fragments.
 */
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
