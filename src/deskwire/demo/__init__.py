"""The demo: a small world to look at, its past put into the database, its present told live."""
