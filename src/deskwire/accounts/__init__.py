"""Who somebody is: people, their identities and passwords, their sessions.

Read in this order: people, identities, passwords, sessions, throttle, links, mailing,
actions, shell.
"""
