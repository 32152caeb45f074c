"""Serve open event streams: who is subscribed, what each stream may hear, how events reach it.

Read in this order: hub, subscription, publisher, fanout, buffer, replay, authorization, endpoint.
"""
