"""Read the log durably: each event is planned exactly once, even if a process is killed.

A consumer's `plan` writes rows of ours, such as dispatches, in the transaction that also advances
the consumer's cursor; it never acts on the outside world. One process at a time holds a consumer,
by a lock on its row. An event whose `plan` raises is set aside and retried, and the later events of
its ticket wait behind it; the cursor goes on.

The cursor stands beside what was planned, so both are right together after every restore. On
another epoch a consumer keeps its position. docs/consumers.md explains how to write one.
"""
