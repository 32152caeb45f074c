"""Do long work in slices of a few milliseconds, so that no other write has to wait.

A job is a row with a cursor. Each slice is one transaction that also advances the cursor, so that a
killed process loses nothing. The serving process runs jobs; where none serves, the shell does.
"""
