"""Edits by hand: what somebody changes in the database with SQL is noticed, and told like the rest.

Our own actions raise a row's `revision`. A trigger notes whoever leaves it alone (`triggers`), the
note is read (`notes`), what cannot be is put back (`sane`), and the domain tells of the rest in its
own events, by the actor `sql` (`working`). `watch` finds out that there is a note.
"""
