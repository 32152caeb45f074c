"""Provide general tools that know nothing about support desks, from clock to database."""
