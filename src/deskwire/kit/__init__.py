"""General tools that know nothing about support desks: errors, clock, ids, database, logging."""
