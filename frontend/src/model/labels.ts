// List the texts about tickets and requests: titles of toasts, and labels of wire values.

import { N_, NN_, type PluralForms } from "../i18n";

/** The title of a toast about one ticket or request (`name`), and about `num` in one burst. */
export interface ToastWording {
  ticket: readonly [string, PluralForms];
  request: readonly [string, PluralForms];
}

export const CREATED: ToastWording = {
  ticket: [N_("New ticket %(name)s created"), NN_("%(num)s new ticket", "%(num)s new tickets")],
  request: [N_("New request %(name)s created"), NN_("%(num)s new request", "%(num)s new requests")],
};
export const UPDATED: ToastWording = {
  ticket: [N_("Ticket %(name)s updated"), NN_("%(num)s ticket updated", "%(num)s tickets updated")],
  request: [
    N_("Request %(name)s updated"),
    NN_("%(num)s request updated", "%(num)s requests updated"),
  ],
};
export const DELETED: ToastWording = {
  ticket: [N_("Ticket %(name)s deleted"), NN_("%(num)s ticket deleted", "%(num)s tickets deleted")],
  request: [
    N_("Request %(name)s deleted"),
    NN_("%(num)s request deleted", "%(num)s requests deleted"),
  ],
};
export const MESSAGE_COUNT = NN_("%(num)s new message", "%(num)s new messages");
export const MESSAGE_SENT: ToastWording = {
  ticket: [N_("New message in ticket %(name)s"), MESSAGE_COUNT],
  request: [N_("New message in request %(name)s"), MESSAGE_COUNT],
};
export const NOTE_SENT: ToastWording = {
  ticket: [N_("New note in ticket %(name)s"), MESSAGE_COUNT],
  request: [N_("New note in request %(name)s"), MESSAGE_COUNT],
};
export const MENTIONED: ToastWording = {
  ticket: [N_("%(author)s mentioned you in ticket %(name)s"), MESSAGE_COUNT],
  request: [N_("%(author)s mentioned you in request %(name)s"), MESSAGE_COUNT],
};
export const MENTIONED_IN_NOTE: ToastWording = {
  ticket: [N_("%(author)s mentioned you in a note in ticket %(name)s"), MESSAGE_COUNT],
  request: [N_("%(author)s mentioned you in a note in request %(name)s"), MESSAGE_COUNT],
};
export const STATUS_CHANGE_COUNT = NN_("%(num)s status change", "%(num)s status changes");
export const STATUS_CHANGED: ToastWording = {
  ticket: [N_("Ticket %(name)s changed to %(status)s"), STATUS_CHANGE_COUNT],
  request: [N_("Request %(name)s changed to %(status)s"), STATUS_CHANGE_COUNT],
};
export const CLAIMED: ToastWording = {
  ticket: [N_("Ticket %(name)s claimed"), NN_("%(num)s ticket claimed", "%(num)s tickets claimed")],
  request: [
    N_("Request %(name)s claimed"),
    NN_("%(num)s request claimed", "%(num)s requests claimed"),
  ],
};
export const CLOSED: ToastWording = {
  ticket: [N_("Ticket %(name)s closed"), NN_("%(num)s ticket closed", "%(num)s tickets closed")],
  request: [
    N_("Request %(name)s closed"),
    NN_("%(num)s request closed", "%(num)s requests closed"),
  ],
};
export const REOPENED: ToastWording = {
  ticket: [
    N_("Ticket %(name)s reopened"),
    NN_("%(num)s ticket reopened", "%(num)s tickets reopened"),
  ],
  request: [
    N_("Request %(name)s reopened"),
    NN_("%(num)s request reopened", "%(num)s requests reopened"),
  ],
};
export const ASSIGNED: ToastWording = {
  ticket: [
    N_("Ticket %(name)s assigned"),
    NN_("%(num)s ticket assigned", "%(num)s tickets assigned"),
  ],
  request: [
    N_("Request %(name)s assigned"),
    NN_("%(num)s request assigned", "%(num)s requests assigned"),
  ],
};
export const UNCLAIMED: ToastWording = {
  ticket: [
    N_("Ticket %(name)s unassigned"),
    NN_("%(num)s ticket unassigned", "%(num)s tickets unassigned"),
  ],
  request: [
    N_("Request %(name)s unassigned"),
    NN_("%(num)s request unassigned", "%(num)s requests unassigned"),
  ],
};
export const FIELD_LABELS: Readonly<Record<string, string>> = {
  subject: N_("subject"),
  priority: N_("priority"),
  tags: N_("labels"),
  category: N_("category"),
};

/** Wire values that are shown as text; the same as `WIRE_WORDS` in deskwire/web/i18n.py. */
export const WIRE_LABELS: ReadonlySet<string> = new Set([
  ...[N_("low"), N_("normal"), N_("high"), N_("urgent")],
  ...[N_("customer"), N_("staff"), N_("bot")],
]);
