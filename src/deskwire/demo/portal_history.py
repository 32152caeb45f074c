"""List the requests of both companies in the last sixty days, oldest first."""

from __future__ import annotations

from deskwire.demo.tickets import parse_requests

PORTAL_HISTORY = parse_requests(r"""
# 58.3 | Harbor Analytics | clara | Question | How long do you keep our berth data?
Our auditor asks how long **raw berth data** stays with you, and what happens to it afterwards. \
A sentence from you that I can forward would be enough.

He comes on Thursday.
@uma 50m claim
@uma 1h reply Hello Clara, raw data stays for 24 months. After that we keep monthly sums only, \
without the names of ships. You may forward this sentence as it is.
@uma 1m status waiting
@clara 2d reply He came, and that was all he needed. Thank you!
@uma 4h status done

# 51.1 | Fjord Bikes | finn | Problem | The newsletter form asks for a postcode
Since Monday the newsletter form on our front page has a field for a **postcode**, and it must be \
filled in. We did not order that. Sign-ups went from 30 a day to 4.
@noah 25m claim
@noah 1m priority high
@noah 12m note The address plug-in was updated on Sunday night; it adds the field by itself. \
@Uma Holt, two other customers use it, please look there too.
@noah 8m reply Sorry about that, Finn. An update switched it on. The field is gone again since a \
minute ago. Do you want us to write to the people who left halfway? We know 41 addresses.
@finn 1h reply No need, we will put it in the next letter. Good that it was quick.
@noah 15m label website
@noah 1m status review
@noah 4d status done

# 46.4 | Harbor Analytics | hana | Change | Tug hours per quarter, as a table
For the yearly talk with the tug company we add up hours from twelve PDF files. Could \
there be **one table per quarter**: tug, hours under way, hours waiting?

- Quarters as in our books: the first begins in February
- Waiting means tied up at our side with engines on
@tess 2h claim
@tess 1h priority normal
@tess 10m reply Hello Hana, that can be done with what we have. One question: does a tug that \
helps two ships at once count once or twice?
@tess 1m status waiting
@hana 1d reply Once. The contract says “engine hours”, so nothing counts double.
@tess 3h label reports
@tess 2d reply The table is under *Reports → Tugs*. The third quarter is there already; could you \
compare it with one of your PDF files before we do the others?
@tess 1m status review
@hana 1d reply Compared August and September. One tug differs by ten minutes, and I think the \
error is ours. Please go ahead.
@tess 3d status done

# 41.2 | Harbor Analytics | carl | Problem | The berth map is empty in Firefox
The map on the first page stays grey. In another browser it is fine. I have emptied the cache, \
restarted, and asked a colleague: it is the same for her.
@uma 35m claim
@uma 20m reply I can see it here with version 143. A fix is being tested. Until then *Map → \
Simple* works, it only lacks the wind.
@uma 2m label map
@uma 1d reply The fix is live. Could you reload the page once, with Shift held down?
@uma 1m status waiting
@carl 2d reply The map is there. The wind, too!
@uma 30m status done
@carl 5d status active
@carl 2m reply Sorry to open this again: since this morning the map is grey once more, but only on \
the large screen in the control room.
@uma 1h reply That screen still runs version 140. I have told Hana, she updates it tonight. \
If it stays grey after that, write here and I will come by.
@carl 1d reply Updated, and it works. Now for good, I hope.
@uma 1m status review
@uma 2d status done

# 37.5 | Fjord Bikes | freya | Question | Can the workshop have its own calendar?
The workshop and the shop share one calendar, and people book a bike fitting when the mechanic is \
on holiday. Can there be two?
@noah 3h claim
@noah 30m reply Yes: *Settings → Places → Add*. Each place has its own hours and holidays then. \
Bookings that exist stay where they are. Shall I do it with you on the phone?
@freya 2h reply Found it, thank you. It took three minutes.
@noah 1m status review
@noah 5d status done

# 33.0 | Harbor Analytics | carl | Change | A login for the summer interns
We will have two interns next summer. They should see the berths but not the invoices.
@carl 4d reply My manager says there will be no interns. I take this back, sorry for the noise.
@carl 2m status canceled

# 28.6 | Fjord Bikes | finn | Problem | Card payments fail above 20,000 kr
Three customers could not pay for an e-bike yesterday. The terminal says *Declined by shop*. \
Everything below **20,000 kr** goes through.
@tess 10m claim
@tess 1m priority urgent
@tess 9m reply We see the three payments. They never left the shop: a limit against fraud is set \
to 20,000. May we raise it to 90,000? It needs a yes from you, in writing.
@tess 1m status waiting
@finn 12m reply Yes, raise it to 90,000 please. The customers are standing here.
@tess 6m reply Raised. Please try again.
@finn 9m reply Paid! All three of them bought a lock on top.
@tess 4m note The limit came with the contract of 2021. We should look at it once a year.
@tess 20m label payments
@tess 1m status review
@tess 3d status done

# 24.2 | Harbor Analytics | clara | Problem | Exports stop at 10,000 rows
Since the update the CSV export ends after **10,000 rows**, without a word.

1. Open *Reports → Berths*
2. Choose the whole year
3. Export
@tess 45m claim
@tess 10m reply Thank you, Clara. I can see it here too. Could you send the last file that was \
complete? Then we can compare what is missing.
@clara 1h send berths-september.csv Here is September, which fits below the limit. August and the \
whole year do not.
@tess 30m note The limit came with the new exporter. @Uma Holt knows it.
@tess 1m label exports
@uma 1d reply Fixed; it goes out tonight. Could you try again tomorrow?
@uma 1m status waiting
@clara 3d reply 214,380 rows, all there. Thank you!
@uma 2h status review
@uma 3d status done

# 19.4 | Fjord Bikes | finn | Change | Sell gift cards in the shop
Christmas comes, and people ask for gift cards. We would like cards of 500, 1,000 and 2,000 kr \
that can be printed at home.
@uma 4h claim
@uma 1d reply Gift cards are part of the larger plan, which costs 90 kr more a month. I can switch \
you over until January to try it.
@uma 1m status waiting
@finn 5d reply Thank you, but we have found printed ones at the stationer's next door. Perhaps \
next year.
@finn 2m status canceled

# 15.3 | Fjord Bikes | freya | Problem | Stock of wheel W-28 is minus two
It has been like this since the inventory. Selling is blocked at **both tills**.
@noah 18m claim
@noah 1m priority high
@noah 3m reply Hello Freya, could you send the log of the second till? *Till → Help → Save log*.
@noah 1m status waiting
@freya 30m send till-2.log Here it is. I see “timed out” near the end, but I do not know what it \
means.
@noah 1h note The till sends a sale again after a time-out, and we counted it twice. @Tess Marlow, \
this is the double count from spring.
@noah 20m reply It means the first answer came too late, so the till sold the same wheel again, \
and we believed it. The stock is right now. The tills get a mend next week.
@freya 20m reply Selling works again, thank you.
@noah 1d status done
@freya 7d status active
@freya 3m reply It is back: since Saturday wheel **W-26** is at minus one. I open this again \
because it looks like the same thing.
@noah 2h reply It does. The mend reached only the first till. I am on it.
@noah 1m label tills

# 12.4 | Harbor Analytics | hana | Change | Tell us when the wind turns
Above 12 m/s from the west we stop two cranes. Today someone looks at the screen every ten \
minutes. Could the desk **send a message** to the crane drivers instead?
@uma 5h claim
@uma 1m priority normal
@uma 30m reply Good idea. By text message or by email? And who gets it at night?
@hana 20h reply Text message. At night the number on duty, which changes every Monday. We keep \
that list in a calendar.
@uma 1d label alarms
@uma 10m reply Then we read your calendar. A first version runs on your test desk since noon: it \
sends to your own number only, @Hana Sato, until you say it is good.
@uma 1m status review

# 9.1 | Fjord Bikes | finn | Change | Add Norwegian to the shop
Our customers ask for it daily. We can translate the texts ourselves, if someone shows us how \
many there are.
@tess 2h claim
@tess 1h reply With pleasure. There are 312 texts, most of them short. You can start under \
*Shop → Languages*; what is not translated yet is shown in English.
@finn 1d reply We start on Monday. Freya does the bikes, I do the rest.
@tess 2m label languages
@tess 1m priority low
@finn 6d reply 200 of 312 are done. Is there a way to see a page before it is public?

# 6.2 | Harbor Analytics | clara | Question | Invoice for October has the wrong address
We moved to Quay 7 in September. Could you send it again?
@tess 3h claim
@tess 20m reply Sorry about that. Is “Quay 7, 20457 Hamburg” right, and should the ones of August \
and September be changed as well?
@tess 1m label billing
@tess 1m status waiting

# 4.3 | Harbor Analytics | clara | Change | A dashboard for the night shift
The night shift needs **three tiles only**: berths, tugs, weather. Large, and dark: the control \
room has no lamps on after ten.
@uma 2h claim
@uma 1m priority normal
@uma 1m label dashboards
@uma 1d send night-shift-tiles.png This is a first sketch, @Clara Vance. The bar that is lit is \
the one to look at. Is the type large enough from three metres away?
@clara 3h reply From three metres, yes. From five, no. Can the numbers be half as large again?
@uma 20h reply They are now. It is on your test desk, with the weather of tonight.
@uma 1m status review

# 2.4 | Fjord Bikes | freya | Question | Which report shows returns by brand?
My boss wants to know which brand comes back most often. I find returns by month only.
@noah 6h claim
@noah 15m reply *Reports → Returns*, then *Group by: brand* at the bottom. Does it have what you \
need? If the list looks too short, tell me the brands that are missing.
@noah 1m status waiting

# 1.2 | Harbor Analytics | carl | Problem | Two people cannot sign in since this morning
Both see *“This account is locked”*. No one changed anything. One of them is on duty tonight.
@tess 20m priority urgent
@tess 1m label sign-in
@tess 5m note Both used the same computer. Someone typed the wrong password nine times there.

# 0.35 | Fjord Bikes | freya | Problem | The shop shows last year's opening hours
The page says we close at four on Saturdays. It is six since spring. Two people stood before a \
closed door of the workshop, which is another matter, but still.
@noah 1h claim
@noah 1m priority low
@noah 10m reply I see it. The hours are in two places, and only one was changed. Done in a moment.

# 0.12 | Harbor Analytics | hana | Change | Berth 9 opens in January
From 12 January on we have a ninth berth. It is 180 m long, for two ships at most. Please add it \
**before** that day, so that the pilots can plan with it.
""")
