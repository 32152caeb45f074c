// Remove from the page what the reader may no longer see.

import { type HeldChannels, isOfWorkspace, isVisible } from "../model/channels";
import { cloneTemplate } from "./slots";

export const EMPTIED = "[data-gone]:not([data-held])"; // elements emptied by `removeOrEmpty`

/** Remove every element that none of the channels `held` shows; null: not known yet, keep all. */
export function removeInvisible(root: ParentNode, held: HeldChannels | null): void {
  if (!held) return;
  for (const element of root.querySelectorAll<HTMLElement>("[data-held]")) {
    if (!isVisible(element.dataset["held"] ?? "", held)) removeOrEmpty(element);
  }
}

/** Remove every element of `workspace`, which was deleted. */
export function removeOfWorkspace(root: ParentNode, workspace: string): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-held]")) {
    if (isOfWorkspace(element.dataset["held"] ?? "", workspace)) removeOrEmpty(element);
  }
}

/** Remove an element, or replace its content by its `data-gone` template.
 *
 * Its id, `data-refresh` and `data-gone` stay, so that it reloads when access is granted again.
 */
export function removeOrEmpty(element: HTMLElement): void {
  const name = element.dataset["gone"];
  const replacement = name ? cloneTemplate(name) : null;
  if (name === undefined || (name && !replacement)) {
    element.remove();
    return;
  }
  for (const attribute of ["held", "ticket", "revision", "live", "noticed"]) {
    delete element.dataset[attribute];
  }
  element.replaceChildren(...(replacement ? [replacement] : []));
}
