"""Define events, who may hear them, and the log that keeps them.

Read in this order: channels, types, log, sequencer, bus, frames, access.
"""
