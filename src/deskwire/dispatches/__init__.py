"""Act on the outside world: one row per effect, such as a mail, kept until the other side answered.

An action or a consumer queues a dispatch in its own transaction. The `Dispatcher` of each process
claims those that are due, a target sends them, and the outcome is recorded. Dispatches of one key
are sent in order, one at a time; dispatches of different keys do not wait for each other. An effect
may happen twice if a process dies before it has recorded the answer, and then under the same id, by
which the other side can recognize it.
"""
