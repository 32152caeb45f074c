"""Open streams: who is subscribed, what each may hear, and how events reach them.

Read hub, subscription, fanout, buffer, replay, authorization, endpoint.
"""
