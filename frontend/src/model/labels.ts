// What is said of tickets and requests: by toasts, and words of the wire that screens show.

import { mark, type Pair, pair } from "../i18n";

/** What is said of a ticket and of a request: of one (`name`), and of `num` in one burst. */
export interface Words {
  ticket: readonly [string, Pair];
  request: readonly [string, Pair];
}

export const CREATED: Words = {
  ticket: [mark("New ticket %(name)s created"), pair("%(num)s new ticket", "%(num)s new tickets")],
  request: [
    mark("New request %(name)s created"),
    pair("%(num)s new request", "%(num)s new requests"),
  ],
};
export const UPDATED: Words = {
  ticket: [mark("Ticket %(name)s updated"), pair("%(num)s ticket updated", "%(num)s tickets updated")],
  request: [
    mark("Request %(name)s updated"),
    pair("%(num)s request updated", "%(num)s requests updated"),
  ],
};
export const DELETED: Words = {
  ticket: [mark("Ticket %(name)s deleted"), pair("%(num)s ticket deleted", "%(num)s tickets deleted")],
  request: [
    mark("Request %(name)s deleted"),
    pair("%(num)s request deleted", "%(num)s requests deleted"),
  ],
};
export const MESSAGES = pair("%(num)s new message", "%(num)s new messages");
export const WRITTEN: Words = {
  ticket: [mark("New message in ticket %(name)s"), MESSAGES],
  request: [mark("New message in request %(name)s"), MESSAGES],
};
export const NOTED: Words = {
  ticket: [mark("New note in ticket %(name)s"), MESSAGES],
  request: [mark("New note in request %(name)s"), MESSAGES],
};
export const MENTIONED: Words = {
  ticket: [mark("%(author)s mentioned you in ticket %(name)s"), MESSAGES],
  request: [mark("%(author)s mentioned you in request %(name)s"), MESSAGES],
};
export const MENTIONED_IN_NOTE: Words = {
  ticket: [mark("%(author)s mentioned you in a note in ticket %(name)s"), MESSAGES],
  request: [mark("%(author)s mentioned you in a note in request %(name)s"), MESSAGES],
};
export const CHANGES = pair("%(num)s status change", "%(num)s status changes");
export const MOVED: Words = {
  ticket: [mark("Ticket %(name)s changed to %(status)s"), CHANGES],
  request: [mark("Request %(name)s changed to %(status)s"), CHANGES],
};
export const CLAIMED: Words = {
  ticket: [mark("Ticket %(name)s claimed"), pair("%(num)s ticket claimed", "%(num)s tickets claimed")],
  request: [
    mark("Request %(name)s claimed"),
    pair("%(num)s request claimed", "%(num)s requests claimed"),
  ],
};
export const CLOSED: Words = {
  ticket: [mark("Ticket %(name)s closed"), pair("%(num)s ticket closed", "%(num)s tickets closed")],
  request: [
    mark("Request %(name)s closed"),
    pair("%(num)s request closed", "%(num)s requests closed"),
  ],
};
export const REOPENED: Words = {
  ticket: [
    mark("Ticket %(name)s reopened"),
    pair("%(num)s ticket reopened", "%(num)s tickets reopened"),
  ],
  request: [
    mark("Request %(name)s reopened"),
    pair("%(num)s request reopened", "%(num)s requests reopened"),
  ],
};
export const ASSIGNED: Words = {
  ticket: [
    mark("Ticket %(name)s assigned"),
    pair("%(num)s ticket assigned", "%(num)s tickets assigned"),
  ],
  request: [
    mark("Request %(name)s assigned"),
    pair("%(num)s request assigned", "%(num)s requests assigned"),
  ],
};
export const GIVEN_BACK: Words = {
  ticket: [
    mark("Ticket %(name)s given back"),
    pair("%(num)s ticket given back", "%(num)s tickets given back"),
  ],
  request: [
    mark("Request %(name)s given back"),
    pair("%(num)s request given back", "%(num)s requests given back"),
  ],
};
export const FIELDS: Readonly<Record<string, string>> = {
  subject: mark("subject"),
  priority: mark("priority"),
  tags: mark("tags"),
  category: mark("category"),
};

/** Words of the wire; `WORDS` in web/rendering/i18n.py says the same. */
export const WIRE: ReadonlySet<string> = new Set([
  ...[mark("low"), mark("normal"), mark("high"), mark("urgent")],
  ...[mark("customer"), mark("staff"), mark("bot")],
]);
