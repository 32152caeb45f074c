"""`deskwire demo` in a hurry: its people rest for a blink, its servers have hardly a past, and
passwords are cheap."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from deskwire.accounts.passwords import Cost, Hasher
from deskwire.demo import clerks, office, past, run, seed

PAST = 30  # events; the first minutes
CHEAP = Cost(memory_kib=8, passes=1, lanes=1)  # the least argon2 takes
REPLACED = (
    (office, "SHORTEST", 40),  # ms
    (office, "LONGEST", 80),
    (clerks, "ANSWERING", 20),
    (seed, "past", lambda *drawn: past.past(*drawn)[:PAST]),
    (run, "Hasher", partial(Hasher, CHEAP)),
)

if __name__ == "__main__":
    for module, name, value in REPLACED:
        assert hasattr(module, name)
        setattr(module, name, value)
    run.run(Path(".demo"))
