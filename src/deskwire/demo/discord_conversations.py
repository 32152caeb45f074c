"""List the conversations of the demo's Discord tickets, each with its subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["customer", "staff"]
_SPEAKER_BY_MARK: dict[str, Speaker] = {">": "customer", "<": "staff"}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation from the first message to the last, and the reason it is closed with."""

    subject: str
    tag: str
    priority: str
    lines: tuple[tuple[Speaker, str], ...]
    closing_reason: str


def parse_conversations(text: str) -> tuple[Conversation, ...]:
    """Parse blocks of `# subject | tag | priority | closing reason`, `>` customer, `<` staff."""
    return tuple(_parse_conversation(block.splitlines()) for block in text.strip().split("\n\n"))


def _parse_conversation(lines: list[str]) -> Conversation:
    subject, tag, priority, reason = lines[0].removeprefix("# ").split(" | ")
    messages = tuple(
        (_SPEAKER_BY_MARK[line[0]], line[2:].replace("\\n", "\n")) for line in lines[1:]
    )
    return Conversation(subject, tag, priority, messages, reason)


NORTHWIND_CONVERSATIONS = parse_conversations(r"""
# Cannot sign in on my new phone | login | high | Signed in again
> Hi! I moved to a new phone and the six-digit code never arrives. I tried **three times** now.
< Sorry about that. Does the code go to your old authenticator app, or by email?
> By email I think. Nothing in spam either.
< Two messages bounced at your provider. I have sent it to your second address, please look.
> Got it, I am in. Thank you so much!

# Invoice shows the wrong VAT number | billing | normal | Corrected invoice sent
> Our October invoice has an old VAT number on it. Accounting wants it fixed by Friday.
< Thanks for telling us. Could you write the right one here, and the invoice number?
> Invoice `NW-10422`, the number ends in **417** now.
< Changed, and a corrected PDF is on its way. The old one is marked void.
> Perfect, received.

# Sync stops at 99 % | sync | high | Fixed by repairing the index
> My desktop client stays at 99 % for hours. The log:\n```\nsync: 1 deferred (name too long)\n```
< That helps a lot. One file name is over 255 bytes. Could you run *Repair index*, in Settings?
> Running it now… it found `meeting notes (copy) (copy) (copy)…` :sweat_smile:
< Ha, that will be it. Rename it to something shorter and the sync continues.
> Renamed, 100 %. You are quick!

# How do I hand a workspace over? | account | low | Ownership moved
> I leave the company at the end of the month. How do I give the workspace to my colleague?
< *Settings → People → Transfer ownership*. They must have signed in once.
> She has. Do I keep read access afterwards?
< Yes, as a normal member, until she removes you.
> Great, done.

# Shared folder vanished | sync | urgent | Restored from the bin
> Our shared folder **Designs 2026** is gone for everyone in the team!!
< Looking right now. Please do not empty the bin meanwhile.
> Ok, everyone knows.
< Someone moved it into their private space at 09:12. It is back, with all 1,204 files.
> I can see it again. Phew. Who moved it?
< I can tell that only to the owner; I have written to them.
> Understood, thanks for the fast help.

# Dark mode is unreadable in tables | bug | normal | Shipped in 4.18.2
> In dark mode the header row of tables is dark grey on black. Screenshot attached.
< I can reproduce that here. It came with 4.18. A fix is in review.
> Any idea when?
< Tomorrow's 4.18.2. I will write here when it is out.
< It is out. Could you check?
> Works, very readable now.

# Refund for a double charge | billing | high | Refunded
> I was charged twice on the 3rd, 12.00 each.
< I see both. One is a pre-authorization that was not released. Which bank is it, roughly?
> A German one, if that matters.
< They take up to 7 days to release it. I have refunded it on our side; that is faster.
> It just arrived. Thanks!

# API returns 429 during the night import | api | normal | Limit raised for the job
> Our nightly import gets **429** after ~600 calls. We send one call per row.
< You can send 100 rows at once:\n1. collect\n2. `POST /v2/rows:batch`\n3. honour `Retry-After`
> Oh nice, I missed the batch endpoint in the docs. Trying it.
> Down from 40 minutes to 25 seconds. You can close this.

# Please delete my account | account | normal | Deleted on request
> I would like to have my account and everything in it deleted.
< We can do that. It cannot be undone after 14 days. Do you want an export first?
> Yes please, as one zip.
< The link is in your mailbox and works for three days. The deletion starts after that.
> Downloaded. Thank you, it was a good time.

# Calendar invites in the wrong time zone | bug | normal | Time zone set for the workspace
> All invites are one hour early since the clocks changed.
< The workspace has a fixed offset, not a region. An admin can change that: *Settings → Region*.
> I am the admin, changed it to Europe/Oslo. Do old invites move too?
< Only those not accepted yet. For the others, press *Resend*.
> Did that, all good.

# Two-factor codes not accepted | login | high | Phone clock corrected
> My authenticator codes are all "wrong". I did not change anything.
< Almost always the phone's clock. Is *set time automatically* on?
> It was off! Four minutes slow.
< Codes live for 30 seconds, so that explains it.
> Works now. Embarrassing, sorry :)

# Can we pay by bank transfer? | billing | low | Switched to yearly invoice
> Our finance department does not do cards. Is a bank transfer possible?
< From the yearly plan on, yes. Shall I switch you at the next renewal?
> Yes please, 14 seats.
< Prepared. You will get an invoice with 30 days to pay.

# Export has empty attachments | bug | high | Fixed, export made again
> I exported a project and every attachment in the zip is 0 bytes.
< Thank you, that should never happen. How large is the project, about?
> 3.2 GB, 4k files.
< Found it: exports over 2 GB ran out of time. I started yours again with the fix.
> 3.1 GB zip, spot-checked twenty files, all fine.

# Feature idea: pin a note for the whole team | idea | low | Noted for the roadmap
> It would be great to pin one note on top for everybody. Today each of us pins it.
< I like it. Would a pin by an admin be enough, or should everybody be able to?
> Admin is enough for us.
< I have added your vote and this conversation to the idea. Thanks!

# Mobile app crashes when I paste an image | mobile | high | Fixed in 4.18.3
> Android, version 4.18.2, paste any screenshot into a note → app closes.
< Which phone and which Android version?
> Pixel 7, Android 16.
< Reproduced. It is the new clipboard permission. Until the fix: *Insert → Image* works.
> Good enough for now, thanks.

# Who can see my private notes? | question | low | Answered
> Does a workspace admin see notes in my private space?
< No. Admins see names and sizes for billing, never the content. See *Privacy → Who sees what*.
> That was the answer I hoped for.

# Import from a CSV with semicolons | import | low | Delimiter explained
> My CSV comes from a German Excel, everything ends up in one column.
< Choose *Delimiter: semicolon* in step 2; the preview shows it right away.
> I looked for that in step 1. Thanks!

# Invitation mails do not arrive | email | high | Sender allowed
> I invited six people, none of them got a mail.
< Your company's filter deferred them (`greylisted`). Could IT allow `mail.northwind.example`?
> Asked them. How long until it tries again?
< Every 15 minutes for a day, or press *Send again*.
> All six are in now.
""")

PIXEL_CONVERSATIONS = parse_conversations(r"""
# Lost my save after the update | saves | urgent | Save restored
> 46 hours of **Ember Vale** are gone after 1.9!! The slot says *empty*.
< Breathe :) 1.9 moved the folder. Do you play on Steam or on the standalone launcher?
> Standalone, Windows.
< Copy `%APPDATA%/EmberVale/saves` to `%LOCALAPPDATA%/EmberVale/saves`, then start it.
> IT IS BACK. I love you all.

# Key from the bundle says already used | keys | normal | New key sent
> The key from the autumn bundle says it was already redeemed.
< Could you send the first five signs of it, and the date of purchase?
> `F7KQX`, bought on the 12th.
< It was given out twice by the shop. A fresh one is in your direct messages.
> Redeemed, thanks!

# Reporting a player in the Saturday lobby | report | high | Player suspended for 7 days
> Someone in lobby 14 kept spamming slurs. I have a clip.
< Thank you for reporting. Please upload it here, only staff sees it.
> Uploaded.
< Watched it, that is clear. They are out for a week, and their second account too.
> Thanks for taking it seriously.

# Stuck in the mine shaft level | gameplay | low | Hint given
> Level 7, the lift does not come after I pull both levers.
< Small hint: the *order* matters, and the sound tells which. Want the whole answer?
> No no, that is enough. I get it now!

# Controller not recognized on Linux | bug | normal | Works with the new mapping
> 8BitDo Pro 2 on Fedora, the game sees nothing. Other games do.
< Could you start it with `--log-input` and paste what it says?
> ```\ninput: 2dc8:6003 no mapping, ignored\n```
< Thanks! I have added the mapping, switch to the `beta` branch to try it.
> Works on beta, even rumble.

# Wrong region on my account | account | normal | Region changed
> I moved from Canada to Portugal and the shop still shows CAD.
< We can change that once a year. Is Portugal right, and no open pre-orders?
> Right, and none open.
< Done. Prices are in EUR from your next start.

# Art contest: which size? | contest | low | Answered
> How large may the picture for the contest be?
< 4096 × 4096 at most, PNG or WebP, by Sunday 18:00 UTC.
> Thank you, already painting.

# Game freezes when it rains | bug | high | Driver update helped
> Since the weather patch my game freezes for 2 s whenever rain starts. GTX 1660.
< Which driver version is that with?
> 531-something.
< There is a known problem with shaders before 546. Could you update and try once more?
> 552 now, smooth. Did not think of that.

# Refund, bought the wrong edition | billing | normal | Exchanged
> I bought *Standard* but wanted *Deluxe*. Can I pay just the difference?
< Yes, within 14 days. The link for the difference is in your mailbox.
> Paid, and the hat is lovely.

# Cannot join the playtest channel | access | low | Role given
> I signed up for the playtest but I cannot see the channel.
< The form had `otto` with a typo. I gave you the role myself.
> I see it. Thanks!

# Mod support question | modding | low | Docs linked
> Is there documentation for the map format?
< Yes: `docs/maps.md` in the SDK folder. The `hills` example is the one to copy.
> Found it. One more: may mods ship their own music?
< If you have the rights to it, yes. Write the licence into `mod.toml`.
> Clear, thank you.

# Achievement did not unlock | bug | low | Unlocked manually
> Beat the boss without being hit, no achievement. I have it on video.
< The check failed if you paused in phase two. Did you?
> …I did. Doorbell.
< Well earned, I have unlocked it for you. A fix is coming.
> Haha, thank you!
""")
