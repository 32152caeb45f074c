"""Tickets: conversations to be solved, their messages, and how they are found."""
