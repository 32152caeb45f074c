"""Tools that know nothing of support desks: errors, clock, ids, database, logging."""
