"""Manage people and how they sign in: identities, passwords, sessions, one-time links, rate limits.

Read in this order: people, preferences, identities, passwords, sessions, rate_limit, links,
mail_links, authentication, admin_actions.
"""
