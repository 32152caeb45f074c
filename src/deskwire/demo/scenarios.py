"""List the requests that the demo's people create, work on and end live.

Clara and Tess do nothing here, because most visitors sign in as them; others write to them.
"""

from __future__ import annotations

from deskwire.demo.tickets import parse_requests

SCENARIOS = parse_requests(r"""
# 0 | Harbor Analytics | carl | Problem | The crane list is sorted backwards
Since this morning crane 9 comes first and crane 1 last. The drivers read it from the top, so two \
of them went to the wrong end of the quay.
@uma claim
@uma reply Hello Carl, I see the same. It follows the *newest entry* since the last update. Which \
order do the drivers need?
@uma status waiting
@carl reply By number, please, as it is painted on the cranes.
@uma label reports
@uma reply Changed. It stays like that for everyone, also on the large screen.
@carl reply Crane 1 is on top again. Thank you!
@uma status done

# 0 | Fjord Bikes | freya | Question | How do we mark a bike as sold out?
The red commuter is gone, and the next ones come in February. People still put it into their \
basket and then call us.
@noah claim
@noah reply *Bikes → the bike → Available: from a date*. With a date it can be ordered in advance, \
without one it is only shown.
@freya reply With a date, then. Do they pay at once or in February?
@noah reply In February, when you send it. Until then it is only noted down.
@noah status review
@freya reply That is perfect for us.
@noah status done

# 0 | Harbor Analytics | hana | Problem | Water level shows yesterday's value
The tile *Water level* says 4.12 m with the time of yesterday evening. The gauge itself works, I \
can see it from my window.
@noah claim
@noah priority high
@noah note The gauge's certificate ran out at midnight. @Uma Holt, do we have the new one?
@noah reply Thank you for looking out of the window, Hana. The gauge is not believed at the moment \
because its certificate is old. We are getting the new one.
@uma reply The certificate is in place, and 3.97 m has just arrived. Does that fit what you see?
@uma status waiting
@hana reply It fits. I will keep looking out of the window, though.
@noah status done

# 0 | Harbor Analytics | carl | Change | Show the pilot's name beside the ship
We call the pilots by telephone and look the name up in a second list each time. Could it stand \
**beside the ship** in *Arrivals*?
@uma claim
@uma priority normal
@uma reply It could. Names of people need a yes from an admin of your company. @Clara Vance, is it \
all right to show pilots' names to everyone who sees the arrivals?
@uma label dashboards
@carl reply Clara says yes, as long as the public page does not show them.
@uma reply The public page never will. It is on your test desk now, in the third column.
@uma status review
@carl reply Exactly what we need.
@uma status done

# 0 | Fjord Bikes | finn | Problem | Order confirmation goes out twice
Since the weekend each customer gets two letters, one minute apart. Both have the same number. One \
man thought that he had bought two bikes.
@uma claim
@uma priority high
@uma reply I am sorry for that man. Do you remember whether anything was changed on Friday?
@uma status waiting
@finn reply Freya connected the new stock programme on Friday afternoon.
@uma note It sends a confirmation of its own by default. The switch: *Letters to customers*.
@uma reply That is it. The stock programme writes to customers too. I have switched its letter off.
@finn reply One letter since then. Thank you.
@uma status done

# 0 | Harbor Analytics | carl | Question | Can I get the list of berths as a file?
I need all berths with length and depth for a tender. Copying from the page breaks the columns.
@noah claim
@noah reply Yes: *Berths*, then the arrow at the top right, *Save as CSV*. Depth is in metres \
below chart datum.
@noah status waiting
@carl reply Found it. The depth of berth 4 is missing, but I know it by heart: 11.8 m.
@noah reply I have added it, so that the next file has it too.
@noah status done

# 0 | Fjord Bikes | freya | Change | A discount for the cycling club
Members of the cycling club get ten per cent from us. At the till we do it ourselves, online they \
cannot have it. Could there be a **code**?
@noah claim
@noah reply A code is made in two minutes. Should it work once for each member, or as often as \
they like? And on bikes too, or only on parts?
@noah priority low
@noah status waiting
@freya reply As often as they like, and on parts only. The boss decides about bikes.
@noah label shop
@noah reply The code is *KLUBB-10*, for parts, until the end of next year. Please try it once.
@noah status review
@freya reply It works, and the club is happy. Thanks!
@noah status done

# 0 | Harbor Analytics | hana | Change | Add the new harbour master to the contacts
Ms Okafor is our new harbour master from Monday on. Please put her into the list of contacts, \
above her deputy.
@uma claim
@uma reply With pleasure. May her telephone number be seen by the shipping companies, or by your \
people only?
@uma status waiting
@hana reply By our people only. Companies call the office.
@uma reply Done. She is first in the list, and companies see the office's number.
@hana reply Thank you, that was quick.
@uma status done

# 0 | Harbor Analytics | carl | Problem | Printing cuts off the last column
When I print *Departures*, the column with the quay is cut off. Landscape does not help. The \
printer is the one in the hall.
@uma claim
@uma reply Which paper is in it? The page is made for A4, and the last column goes first when it \
is narrower.
@carl reply Letter! Someone put the wrong paper in. I take it all back.
@carl status canceled

# 0 | Fjord Bikes | finn | Question | Who changed the price of the cargo bike?
The cargo bike costs 4,900 kr since yesterday. It should be 49,000. Two people have ordered it \
already, and I like them, but not that much.
@uma claim
@uma priority urgent
@uma reply The price came with the file of Monday's import, line 212: a nought is missing. I have \
put 49,000 back. What shall we do with the two orders?
@uma status waiting
@finn reply I will call them myself. Can the import warn us about such jumps?
@noah note It can, the limit is off by default. I would set it to 50 per cent.
@uma reply From now on an import stops if a price changes by more than half, and asks you.
@finn reply They both laughed and take the normal price. Case closed.
@uma status done

# 0 | Harbor Analytics | hana | Problem | The weekly report came in English
Our crew reads German. Until last week the report was in German, today's is in English, with the \
right numbers.
@noah claim
@noah label reports
@noah reply Hello Hana, the report is in the language of the person who ordered it. Did someone \
order it again this week?
@noah status waiting
@hana reply Carl did, on Tuesday. His browser is in English, that explains it.
@noah reply I have set the report itself to German. It stays German from now on.
@hana reply Danke! The next one can come.
@noah status done

# 0 | Fjord Bikes | freya | Problem | Photos of new bikes are turned sideways
I took photos with my telephone, upright. In the shop they lie on their side. It looks as if all \
our bikes had fallen over.
@uma claim
@uma reply They fell over on the way, sorry. The telephone writes into the file which way is up, \
and the shop ignored it. Could you try with one photo again?
@uma status waiting
@freya reply The blue one stands! Do I have to upload all forty again?
@uma reply No, I turn the forty here. Give me a minute.
@uma status review
@freya reply All of them stand now. Thank you!
@uma status done

# 0 | Harbor Analytics | carl | Change | Send me the tide table every morning
I copy the tide table into a mail to the tug crews at half past five, each day. I would like to \
sleep until six.
@noah claim
@noah reply That can be a regular letter: at 5:30, to a list of addresses. Who should be on it?
@noah priority normal
@carl reply The four tugs and me. The addresses are in the crew list.
@noah label reports
@noah reply The first one goes out tomorrow morning. @Clara Vance, you can stop it under \
*Reports → Regular letters*.
@noah status review
@carl reply I shall sleep well. Thank you.
@noah status done

# 0 | Fjord Bikes | finn | Change | Let customers choose when they fetch a bike
People stand in the workshop at five, all at once. We would like to offer **half hours** to choose \
from when a repair is done.
@noah claim
@noah reply The calendar can do that. How many people can you serve in half an hour?
@noah status waiting
@finn reply Three, on Saturdays two.
@noah reply It is set up: three, on Saturdays two, and nothing in the lunch break.
@finn reply I forgot about the lunch break, thank you.
@noah status done

# 0 | Harbor Analytics | hana | Question | Does the alarm work when the network is down?
Last winter the network was gone for an hour. Would the wind alarm have reached the crane drivers?
@uma claim
@uma reply Yes. The alarm is sent from our side by text message; your network is not needed for \
that. What would be missing is the reading of your own wind gauge.
@hana reply And then?
@uma reply After five minutes without a reading we use the airport's, and the message says so.
@uma status waiting
@hana reply Good. I will put that into our emergency plan.
@uma status done
""")
