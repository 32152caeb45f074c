// Removes from the page what the reader may no longer see.

import { isOfWorkspace, isVisible } from "../model/channels";
import { cloneTemplate } from "./slots";

export const EMPTIED = "[data-gone]:not([data-held])"; // what `takeAway` has emptied

/** Takes everything out of `root` that none of the channels `held` shows. */
export function removeInvisible(root: ParentNode, held: ReadonlySet<string> | null): void {
  if (!held) return;
  for (const element of root.querySelectorAll<HTMLElement>("[data-held]")) {
    if (!isVisible(element.dataset["held"] ?? "", held)) removeOrEmpty(element);
  }
}

/** Takes everything out of `root` that belongs to `workspace` alone, which is no more. */
export function removeOfWorkspace(root: ParentNode, workspace: string): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-held]")) {
    if (isOfWorkspace(element.dataset["held"] ?? "", workspace)) removeOrEmpty(element);
  }
}

/** Removes `element`, or leaves what its `data-gone` template says in its place.
 *
 * Its id, `data-refresh` and `data-gone` stay: access that is given back reloads it.
 */
export function removeOrEmpty(element: HTMLElement): void {
  const name = element.dataset["gone"];
  const stand = name ? cloneTemplate(name) : null;
  if (name === undefined || (name && !stand)) {
    element.remove();
    return;
  }
  for (const shown of ["held", "ticket", "revision", "live", "noticed"])
    delete element.dataset[shown];
  element.replaceChildren(...(stand ? [stand] : []));
}
