"""What can happen, who may hear it, and how it reaches them.

Read in this order: channels, catalogue, log, frames, window, seat, audience, questions, heart,
hub, access, stream.
"""
