"""Notice rows that are edited directly in the database with SQL, and publish them as events.

Deskwire's own actions raise a row's `revision`. A trigger records every change that does not
(`triggers`, `change_log`); invalid values are replaced (`validation`), and the domains record the
rest as their own events, with the actor `sql` (`processor`). `watcher` notices new changes.
"""
