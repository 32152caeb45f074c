"""Keep tickets: their messages, files and statuses, the actions on them, lists and search."""
